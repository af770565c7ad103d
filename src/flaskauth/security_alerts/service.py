"""Revert an email change or report a sign-in. Both revoke all access, until the user resets the password."""

from flaskauth import audit, mail
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.core.db.session import db
from flaskauth.core.errors import Unauthorized
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.models import EmailLink
from flaskauth.sessions import service as sessions

RESET_PURPOSE = "reset"


class LinkExpired(Unauthorized):
    """401 `invalid_token`: the link is unknown, was used or has expired."""

    code = "invalid_token"
    message = "This link is invalid, was already used, or has expired."


def revert_email_change(token: str) -> None:
    """Restore the previous email address, and revoke all access that was gained since, including a scheduled deletion.

    Raises:
        LinkExpired
    """
    link, user = _consume_link(links.REVERT_EMAIL_CHANGE, token)
    assert link.email
    assert link.normalized_email
    if not accounts.restore_email(user.id, link.email, link.normalized_email):
        raise LinkExpired
    links.revoke_newer(links.REVERT_EMAIL_CHANGE, link)
    audit.record("email_change_reverted", user_id=user.id)
    _revoke_access(user)


def report_sign_in(token: str) -> None:
    """Revoke all sessions and cancel a scheduled deletion: the reported sign-in was made with the user's password.

    Raises:
        LinkExpired
    """
    link, user = _consume_link(links.REPORT_SIGN_IN, token)
    audit.record("sign_in_reported", user_id=user.id, session_id=link.session_id)
    _revoke_access(user)


def _consume_link(purpose: str, token: str) -> tuple[EmailLink, User]:
    link = links.consume(purpose, token)
    user = db.session.get(User, link.user_id) if link else None
    if link is None or user is None:
        raise LinkExpired
    return link, user


def _revoke_access(user: User) -> None:
    """Revoke all sessions, reset codes and email changes, delete the devices, clear the password and mail the user.

    A scheduled deletion is cancelled, because an attacker may have requested it.
    """
    if accounts.cancel_deletion(user.id):
        audit.record("account_restored", user_id=user.id)
    accounts.clear_password(user.id)
    accounts.cancel_email_changes(user.id)
    sessions.revoke_all_for(user.id)
    db.session.refresh(user)  # the UPDATEs bypass the object, and the mail goes to the restored email address
    codes.revoke_for_purpose(RESET_PURPOSE, user.normalized_email)
    mail.notify("security_alerts/account_secured", user)
