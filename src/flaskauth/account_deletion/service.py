"""Schedule and cancel the deletion of an account."""

from datetime import datetime, timedelta

from flaskauth import audit, mail
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.errors import NotFound
from flaskauth.mail.outbox import format_timestamp
from flaskauth.one_time_codes import service as codes
from flaskauth.passwords.service import PURPOSE as RESET
from flaskauth.sessions import service as sessions
from flaskauth.sessions.decorators import AuthContext
from flaskauth.signing_keys.access_tokens import InvalidToken

DELETION_DELAY = timedelta(days=7)


def request_deletion(auth: AuthContext) -> datetime:
    """Schedule the deletion and return when it is due. Revoke all sessions and pending codes, and notify the user.

    Raises:
        InvalidToken: the deletion was cancelled during this call, and the session was revoked.
    """
    due_at = clock.now() + DELETION_DELAY
    if accounts.schedule_deletion(auth.user.id, due_at):
        _revoke_access(auth.user)
        audit.record("account_closed", user_id=auth.user.id, session_id=auth.session.id)
        mail.notify(
            "account_deletion/deletion_scheduled",
            auth.user,
            expires_at=due_at,
            deletion_due_at=format_timestamp(due_at),
        )
        return due_at
    scheduled_for = accounts.deletion_due_at(auth.user.id)  # a concurrent call has scheduled it
    if scheduled_for is None:
        raise InvalidToken
    return scheduled_for


def restore(auth: AuthContext) -> None:
    """Cancel the scheduled deletion and notify the user.

    Raises:
        NotFound: no deletion is scheduled, or the account is already erased.
    """
    if not accounts.cancel_deletion(auth.user.id):
        raise NotFound
    audit.record("account_restored", user_id=auth.user.id, session_id=auth.session.id)
    mail.notify("account_deletion/account_restored", auth.user)


def _revoke_access(user: User) -> None:
    sessions.revoke_all_for(user.id)
    codes.revoke_for_purpose(RESET, user.normalized_email)
    accounts.cancel_email_changes(user.id)
