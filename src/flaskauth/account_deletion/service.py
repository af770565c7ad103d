"""Schedule and cancel the deletion of an account."""

from datetime import datetime, timedelta

from flaskauth import audit, mail
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.errors import NotFound
from flaskauth.mail.outbox import format_timestamp
from flaskauth.mfa import pending_resets
from flaskauth.one_time_codes import service as codes
from flaskauth.sessions import service as sessions
from flaskauth.sessions.decorators import AuthContext, lock_session

DELETION_DELAY = timedelta(days=7)


def request_deletion(auth: AuthContext) -> datetime:
    """Schedule the deletion and return when it is due. Revoke all sessions and pending codes, and notify the user.

    A scheduled factor reset is cancelled.

    Raises:
        InvalidToken: the session was revoked during this call.
    """
    return schedule(lock_session(auth), auth.session.id)


def schedule(user: User, session_id: int | None = None) -> datetime:
    """Schedule the deletion of a locked user like `request_deletion`, for a session or for an operator."""
    due_at = clock.now() + DELETION_DELAY
    accounts.schedule_deletion(user.id, due_at)
    _revoke_access(user)
    audit.record("account_closed", user_id=user.id, session_id=session_id)
    mail.notify(
        "account_deletion/deletion_scheduled", user, expires_at=due_at, deletion_due_at=format_timestamp(due_at)
    )
    return due_at


def restore(auth: AuthContext) -> None:
    """Cancel the scheduled deletion and notify the user.

    Raises:
        NotFound: no deletion is scheduled.
        InvalidToken: the session was revoked during this call, or the account is already erased.
    """
    user = lock_session(auth)
    if not accounts.cancel_deletion(user.id):
        raise NotFound
    audit.record("account_restored", user_id=user.id, session_id=auth.session.id)
    mail.notify("account_deletion/account_restored", user)


def _revoke_access(user: User) -> None:
    sessions.revoke_all_for(user.id)
    codes.revoke_account_codes(user.normalized_email)
    accounts.cancel_email_changes(user.id)
    pending_resets.cancel(user.id)
