"""Request an email change and confirm it with the code."""

from datetime import timedelta

from sqlalchemy import select

from flaskauth import audit, mail
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import EmailChange, User
from flaskauth.core import clock
from flaskauth.core.db.session import commit_now, db
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.core.errors import TooManyRequests, ValidationFailed
from flaskauth.core.http.request import client_network
from flaskauth.mail import rate_limits as mail_limits
from flaskauth.mail.models import QUEUED, SUPPRESSED
from flaskauth.one_time_codes import links, verification
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.models import OneTimeCode
from flaskauth.one_time_codes.service import CodeRequest
from flaskauth.one_time_codes.verification import InvalidCode, SubmittedCode
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit
from flaskauth.sessions import service as sessions
from flaskauth.sessions.decorators import AuthContext, lock_session

PURPOSE = "email"
USER_LIMIT = RateLimit(5, timedelta(hours=1))


class InvalidEmailChangeCode(InvalidCode):
    """401 `invalid_code`: the same for a wrong, used or expired code and for an email address that is taken."""

    code = "invalid_code"
    message = "The code is wrong, used or expired. Use the code of the newest mail or request a new one."


def request_change(auth: AuthContext, email: EmailAddress) -> None:
    """Mail a code to the new email address, and to the current one a link that reverts the change.

    If the new address is taken or reserved, the response and the rows are the same, but the code is a decoy and its
    mail is discarded.

    Raises:
        ValidationFailed, TooManyRequests
        InvalidToken: the session was revoked during this call.
    """
    if email.normalized == auth.user.normalized_email:
        raise ValidationFailed({"email": ["This is already your email address."]})
    hit = commit_now(rate_limits.hit, (rate_limits.counter_key("address changes", auth.user.id), USER_LIMIT))
    if not hit.is_allowed:
        raise TooManyRequests(retry_after=hit.retry_after)
    user = lock_session(auth)
    code = _mail_code(user, email)
    link = links.issue(
        links.REVERT_EMAIL_CHANGE,
        user.id,
        email=user.email,
        normalized_email=user.normalized_email,
        session_id=auth.claims.session_id,
    )
    mail.notify("email_change/change_requested", user, link_id=link.id, new_address=email.original)
    db.session.add(
        EmailChange(
            id=code.id,
            user_id=user.id,
            email=email.original,
            normalized_email=email.normalized,
            link_id=link.id,
            created_at=link.created_at,
        )
    )
    audit.record("email_change_requested", user_id=user.id)


def confirm_change(auth: AuthContext, otp: str) -> User:
    """Set the new email address and return the user. Revoke the other sessions and superseded links.

    The previous address is notified.

    Raises:
        InvalidEmailChangeCode, TooManyRequests
        InvalidToken: the session was revoked during this call.
    """
    try:
        old_email, change = _apply_change(auth, otp)
    except InvalidCode:
        audit.record("invalid_code", purpose=PURPOSE, user_id=auth.user.id)
        raise InvalidEmailChangeCode from None
    user = auth.user
    codes.revoke_for_email(change.normalized_email)
    links.revoke_superseded(user.id, change.normalized_email)
    db.session.refresh(user)
    sessions.revoke_all_for(user.id, except_session=auth.session)
    audit.record("email_changed", user_id=user.id, session_id=auth.session.id)
    recipient = mail.EmailRecipient(old_email, user.locale)
    mail.notify("email_change/email_changed", recipient, link_id=change.link_id, new_address=user.email)
    return user


def _mail_code(user: User, email: EmailAddress) -> OneTimeCode:
    current_network = client_network()
    owner = accounts.get_email_owner(email.normalized)
    is_decoy = owner is not None and owner.id != user.id
    is_suppressed = not mail_limits.reserve(email.normalized, current_network, is_recognised=False)
    request = CodeRequest(PURPOSE, email.normalized, current_network, expires_at=clock.now() + codes.CODE_LIFETIME)
    code = codes.issue(request, is_decoy=is_decoy, is_suppressed=is_suppressed)
    state = SUPPRESSED if is_suppressed else QUEUED  # the mail of a decoy is discarded before it is sent
    recipient = mail.EmailRecipient(email.original, user.locale)
    mail.notify("email_change/verify_email", recipient, code=code, state=state)
    return code


def _apply_change(auth: AuthContext, otp: str) -> tuple[str, EmailChange]:
    """Consume the code and apply the user's newest change. Return the previous email address and the change.

    Losing a race for the address is like a wrong code.
    """
    newest = select(EmailChange).where(EmailChange.user_id == auth.user.id).order_by(EmailChange.created_at.desc())
    change = db.session.scalars(newest.limit(1)).first()
    if change is None:
        raise InvalidCode
    verified = verification.verify_by_id(SubmittedCode(PURPOSE, otp, client_network()), change.id)
    user = lock_session(auth)
    owner = accounts.get_email_owner(change.normalized_email)
    if owner is not None and owner.id != user.id:
        raise InvalidCode
    verified.consume()
    verified.refund()
    old_email = user.email
    if not accounts.change_email(user, change):
        raise InvalidCode
    return old_email, change
