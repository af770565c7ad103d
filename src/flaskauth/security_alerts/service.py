"""Revert an email change, report a sign-in, or cancel a factor reset.

The first two restore the account with its second factors, and revoke all access until a password reset.
"""

from flaskauth import audit, mail
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.core.db.session import db
from flaskauth.core.errors import Unauthorized
from flaskauth.mfa import factors, pending_resets
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.models import EmailLink
from flaskauth.security_alerts import factor_restoration
from flaskauth.sessions import devices
from flaskauth.sessions import service as sessions


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
    audit.record("email_change_reverted", user_id=user.id)
    _restore_account(link, user)


def report_sign_in(token: str) -> None:
    """Undo what the reported session or a later one did: restore the email address and the second factors.

    All sessions are revoked, because the reported sign-in was made with the user's password.

    Raises:
        LinkExpired
    """
    link, user = _consume_link(links.REPORT_SIGN_IN, token)
    audit.record("sign_in_reported", user_id=user.id, session_id=link.session_id)
    if user.normalized_email != link.normalized_email:
        audit.record("email_change_reverted", user_id=user.id)
    _restore_account(link, user)


def cancel_factor_reset(token: str) -> None:
    """Keep the second factors of a user whose password an attacker knows.

    Raises:
        LinkExpired: also if the removal was done or cancelled.
    """
    _link, user = _consume_link(links.CANCEL_FACTOR_RESET, token)
    if not pending_resets.cancel(user.id):
        raise LinkExpired


def _consume_link(purpose: str, token: str) -> tuple[EmailLink, User]:
    link = links.consume(purpose, token)
    user = accounts.lock_user(link.user_id) if link else None
    if link is None or user is None:
        raise LinkExpired
    return link, user


def _restore_account(link: EmailLink, user: User) -> None:
    """Restore the email address that the link was mailed to, revoke all access, and mail both addresses.

    The networks of suspicious sessions, and of those since the link was mailed, are no longer recognised.

    Raises:
        LinkExpired: the email address belongs to a different user.
    """
    lost_email, lost_recipient = user.normalized_email, mail.EmailRecipient(user.email, user.locale)
    assert link.email
    assert link.normalized_email
    if not accounts.restore_email(user.id, link.email, link.normalized_email):
        raise LinkExpired
    is_email_restored = lost_email != link.normalized_email
    restoration = factor_restoration.restore(link, is_email_restored=is_email_restored)
    links.revoke_newer(link)
    links.revoke_superseded(user.id, link.normalized_email)
    _revoke_access(user)
    mail.notify(
        "security_alerts/account_secured",
        user,
        factors_restored="yes" if restoration.has_undone_changes else "",
        factors=", ".join(factors.names(user.id)),
    )
    devices.forget_networks(user.id, restoration.suspicious, link.created_at)
    if is_email_restored:
        codes.revoke_account_codes(lost_email)
        mail.notify("security_alerts/email_removed", lost_recipient)


def _revoke_access(user: User) -> None:
    """Revoke all sessions, reset codes and email changes, delete the devices and clear the password.

    A scheduled deletion is cancelled, because an attacker may have requested it.
    """
    if accounts.cancel_deletion(user.id):
        audit.record("account_restored", user_id=user.id)
    accounts.clear_password(user.id)
    accounts.cancel_email_changes(user.id)
    pending_resets.cancel(user.id)
    sessions.revoke_all_for(user.id)
    db.session.refresh(user)  # the UPDATEs bypass the object, and the mail goes to the restored email address
    codes.revoke_account_codes(user.normalized_email)
