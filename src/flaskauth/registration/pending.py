"""Pending registrations: create, find, resend and close them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select, update

from flaskauth import audit, mail
from flaskauth.accounts.service import EmailOwnerRow
from flaskauth.core import clock
from flaskauth.core.db.compiled import CompiledStatement, insert_row
from flaskauth.core.db.session import db, delete_batch, execute_count
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.core.http.request import client_network
from flaskauth.mail import rate_limits as mail_limits
from flaskauth.mail.link_detection import contains_link
from flaskauth.mail.models import DISCARDED, QUEUED, SUPPRESSED
from flaskauth.mail.outbox import format_timestamp
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.models import OneTimeCode
from flaskauth.one_time_codes.service import CodeRequest
from flaskauth.one_time_codes.verification import MAX_ATTEMPTS_BY_ID
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit, RateLimitResult
from flaskauth.registration.models import Registration
from flaskauth.sessions import devices

PURPOSE = "registration"
LIFETIME = timedelta(hours=24)
RETENTION = timedelta(days=1)
NOTICE_LIFETIME = timedelta(days=1)
DUPLICATE_LIMIT = RateLimit(20, timedelta(hours=1))


class RegistrationIdRow(NamedTuple):
    id: bytes


DUPLICATE_QUERY = CompiledStatement(
    select(Registration.id).where(
        Registration.normalized_email == bindparam("normalized_email"),
        Registration.password_hash == bindparam("password_hash"),
        Registration.is_open == 1,
    ),
    RegistrationIdRow,
)


@dataclass(frozen=True)
class NewRegistration:
    """The validated data of a registration request, with the password hashed."""

    email: EmailAddress
    password_hash: str
    first_name: str
    last_name: str
    country_id: int | None
    locale: str


def create(new: NewRegistration, owner: EmailOwnerRow | None) -> bytes:
    """Insert a pending registration with its code and enqueue the mail. Return the registration's id.

    If the email address has an owner, the code is a decoy and the mail notifies the owner.
    """
    now, network, normalized_email = clock.now(), client_network(), new.email.normalized
    is_suppressed = not devices.reserve_mail(normalized_email, owner.id if owner else 0, network)
    code_request = CodeRequest(PURPOSE, normalized_email, network, expires_at=now + LIFETIME)
    code = codes.issue(code_request, is_decoy=owner is not None, is_suppressed=is_suppressed)
    registration = Registration(
        id=code.id,
        email=new.email.original,
        normalized_email=normalized_email,
        password_hash=new.password_hash,
        first_name=new.first_name,
        last_name=new.last_name,
        country_id=new.country_id,
        locale=new.locale,
        network=network,
        created_at=now,
        expires_at=code.request_expires_at,
        is_open=1,
    )
    insert_row(registration)
    state = SUPPRESSED if is_suppressed else QUEUED
    if owner:
        mail.notify("registration/already_registered", owner, expires_at=now + NOTICE_LIFETIME, state=state)
        audit.record("registration_existing_email", user_id=owner.id)
    else:
        _notify_code(registration, code, state)
        audit.record("registration_started")
    return code.id


def count_comparison(normalized_email: str, network: str) -> RateLimitResult:
    """Count a registration that may be compared with the pending ones of its address. Call it through `commit_now`.

    A client of the same network could otherwise guess the password of a pending registration without a limit.
    """
    return rate_limits.hit((rate_limits.counter_key("registration", normalized_email, network), DUPLICATE_LIMIT))


def find_duplicate(normalized_email: str, password_hash: str, owner: EmailOwnerRow | None) -> OneTimeCode | None:
    """Return the code of the open registration with this password.

    A registration that expired, ran out of attempts, or is a decoy of an email address that no longer has an owner, is
    closed and not returned.
    """
    duplicate = DUPLICATE_QUERY.first(normalized_email=normalized_email, password_hash=password_hash)
    code = db.session.get(OneTimeCode, duplicate.id) if duplicate else None
    if code is None or not (
        code.attempts >= MAX_ATTEMPTS_BY_ID
        or code.request_expires_at <= clock.now()
        or (code.is_decoy and owner is None)
    ):
        return code
    close(code.id)
    return None


def resend(code: OneTimeCode | None, *, is_by_id: bool, requested_email: str = "") -> None:
    """Mail a code again if a resend is due and the mail rate limits allow it. Otherwise suppress an expired code.

    Every outcome runs the same statements, so the response time does not reveal whether the code exists.

    Args:
        requested_email: the normalized email address of the request, if it has no id.
    """
    is_due = codes.reserve_resend(code)
    registration = db.session.get(Registration, code.id if code else b"")
    # Without a mail to send, the same statements count for a mailbox and a network that do not exist. There is one such
    # mailbox for each address: a shared one would reach its limit, and `reserve` would run one more statement.
    mailbox, network = code.normalized_email if code else requested_email, client_network()
    if not is_due:
        mailbox, network = f"no mail to {mailbox}", f"no mail to {network}"
    is_allowed = mail_limits.reserve(mailbox, network, is_recognised=False)
    if is_allowed:  # changes no row: the statement with which `reserve` takes back the count of a rejected mail
        rate_limits.decrement([b""])
    # Otherwise a client over its mail limit could use up every resend and keep the owner waiting for no mail.
    codes.release_resend(code if is_due and not is_allowed and not is_by_id else None)
    codes.refresh(code)
    if not (code and registration and is_due and is_allowed) or code.is_decoy:
        codes.suppress_expired(code)
        recipient = mail.EmailRecipient(registration.email if registration else "")
        mail.notify(
            "registration/already_registered",
            recipient,
            expires_at=clock.now() + NOTICE_LIFETIME,
            state=DISCARDED,
            network="",
            requested_at=format_timestamp(clock.now()),
        )
        return
    codes.renew(code)
    _notify_code(registration, code, QUEUED)


def close(registration_id: bytes) -> None:
    """Close one registration. A new one may then use the same password."""
    execute_count(update(Registration).where(Registration.id == registration_id).values(is_open=None))


def addresses_used(normalized_email: str) -> Sequence[str]:
    """Return every spelling of an email address that its registrations used; mail was sent to these spellings."""
    return db.session.scalars(
        select(Registration.email).where(Registration.normalized_email == normalized_email).distinct()
    ).all()


def delete_for_email(normalized_email: str) -> None:
    """Delete every pending registration of an email address."""
    execute_count(delete(Registration).where(Registration.normalized_email == normalized_email))


def purge() -> int:
    """Delete one batch of registrations that expired over a day ago. Return the number of deleted rows."""
    return delete_batch(Registration.id, Registration.expires_at < clock.now() - RETENTION)


def _notify_code(registration: Registration, code: OneTimeCode, state: str) -> None:
    """Enqueue the mail with the code to the spelling that the registration was given.

    A name that contains a link is left out: an attacker can register the email address of a third party.
    """
    first_name, last_name = registration.first_name, registration.last_name
    if contains_link(f"{first_name} {last_name}"):
        first_name = last_name = ""
    mail.notify(
        "registration/verify_email", registration, code=code, state=state, first_name=first_name, last_name=last_name
    )
