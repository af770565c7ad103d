"""Remove all second factors of a user who has lost them, after a delay in which the user can cancel it (ADR 30)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, select

from flaskauth import audit, mail
from flaskauth.accounts import mfa_policy
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.audit import service as audit_log
from flaskauth.core import clock, email_addresses
from flaskauth.core.context import settings
from flaskauth.core.db.compiled import insert_row
from flaskauth.core.db.session import db, transaction, transaction_for_each
from flaskauth.core.http.request import client_network
from flaskauth.login import mailed_codes
from flaskauth.login.mailed_codes import InvalidMailedCode, MailedCodeRequest
from flaskauth.mail.outbox import format_timestamp
from flaskauth.mfa import challenges, factor_changes, pending_resets
from flaskauth.mfa.models import FactorReset, LoginChallenge
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes.service import LOST_FACTOR
from flaskauth.one_time_codes.verification import InvalidCode
from flaskauth.sessions import devices
from flaskauth.sessions import service as sessions
from flaskauth.signing_keys import amr

PERIOD_WITHOUT_RESET = timedelta(days=30)
FIRST_REMINDER = timedelta(hours=12)


@dataclass(frozen=True)
class FactorResetData:
    """A submitted code, and the id of its request."""

    reset_id: bytes
    otp: str


def is_enabled() -> bool:
    """Return True if users can have their factors removed."""
    return settings().factor_reset_delay > 0 and settings().second_factor == "optional"


def request_code(challenge_token: str) -> bytes:
    """Mail a code to the user of a login challenge. Return the id of the request.

    If the user may not remove the factors this way, the code is a decoy: the response does not reveal which of the
    conditions is missing.

    Raises:
        ChallengeExpired
    """
    challenge = challenges.find(challenge_token)
    user = db.session.get_one(User, challenge.user_id)
    request = MailedCodeRequest(email_addresses.parse(user.email))
    mailed = mailed_codes.issue(LOST_FACTOR, request, is_decoy=not _is_allowed(user, challenge))
    mail.notify("factor_reset/lost_factor_code", mailed.recipient, code=mailed.code, state=mailed.state)
    return mailed.code.id


def confirm(form: FactorResetData) -> datetime:
    """Schedule the removal of all factors, and mail a link that cancels it. Return when it is due.

    A second confirmation changes nothing.

    Raises:
        InvalidMailedCode, TooManyRequests
    """
    try:
        user = _consume_code(form)
    except InvalidCode:
        audit.record("invalid_code", purpose=LOST_FACTOR)
        raise InvalidMailedCode from None
    if reset := db.session.get(FactorReset, user.id):
        return reset.due_at
    now = clock.now()
    due_at = now + timedelta(hours=settings().factor_reset_delay)
    link = links.issue(links.CANCEL_FACTOR_RESET, user.id, email=user.email, normalized_email=user.normalized_email)
    reset = FactorReset(
        user_id=user.id,
        link_id=link.id,
        network=client_network(),
        requested_at=now,
        due_at=due_at,
    )
    insert_row(reset)
    audit.record("factor_reset_requested", user_id=user.id)
    _notify(user, reset)
    return due_at


def remind() -> None:
    """Mail each user whose factors will be removed, once a day.

    Raises:
        ExceptionGroup: it failed for some users.
    """
    if is_enabled():
        requested = FactorReset.requested_at < clock.now() - FIRST_REMINDER
        _run_for_each(select(FactorReset.user_id).where(requested), _remind)


def perform_due() -> None:
    """Remove the factors of the users whose delay is over.

    Raises:
        ExceptionGroup: it failed for some users.
    """
    _run_for_each(select(FactorReset.user_id).where(FactorReset.due_at <= clock.now()), _perform)


def _run_for_each(user_ids: Select[int], operation: Callable[[int], None]) -> None:
    transaction_for_each(transaction(lambda: db.session.scalars(user_ids).all()), operation)


def _remind(user_id: int) -> None:
    if reset := db.session.get(FactorReset, user_id):
        _notify(db.session.get_one(User, user_id), reset)


def _perform(user_id: int) -> None:
    """Delete the factors, revoke all access, and mail the user a link that reports it.

    One conditional DELETE decides: a concurrent cancellation or a second worker prevents it.
    """
    user = accounts.lock_user(user_id)
    if user is None or not pending_resets.take_due(user_id):
        return
    if not is_enabled() or mfa_policy.is_required(user):  # the settings or an operator changed it since
        audit.record("factor_reset_cancelled", user_id=user_id)
        return
    link = links.issue_report(user)
    factor_changes.delete_all(user_id)
    sessions.revoke_all_for(user_id)
    audit.record("factor_reset_done", user_id=user_id)
    mail.notify("factor_reset/reset_done", user, link_id=link.id)


def _is_allowed(user: User, challenge: LoginChallenge) -> bool:
    """Return True if the password was right, a factor was proven here before, and no reset has replaced the password.

    Otherwise a reader of the mailbox could set a password, and remove the factors with it. A device or network of a
    sign-in before MFA was turned on may be that of an attacker who knew the password then.
    """
    is_recognised = devices.has_proven_factor(user.id, challenge.device_id, client_network())
    return (
        challenge.amr == amr.PASSWORD
        and challenge.credential_version == user.credential_version
        and not mfa_policy.is_required(user)
        and not audit_log.has_event(user.id, "password_reset", clock.now() - PERIOD_WITHOUT_RESET)
        and is_recognised
    )


def _consume_code(form: FactorResetData) -> User:
    """Consume the code, and return its user with the row locked.

    Raises:
        InvalidCode, TooManyRequests
    """
    verified = mailed_codes.verify(LOST_FACTOR, form.otp, form.reset_id, None)
    owner = accounts.find_by_email(verified.normalized_email)
    user = accounts.lock_user(owner.id) if owner else None
    if user is None:
        raise InvalidCode
    verified.refund()
    verified.consume()
    return user


def _notify(user: User, reset: FactorReset) -> None:
    mail.notify(
        "factor_reset/reset_requested",
        user,
        link_id=reset.link_id,
        network=reset.network,
        requested_at=format_timestamp(reset.requested_at),
        due_at=format_timestamp(reset.due_at),
    )
