"""Create a pending registration, mail its code, and create the account once the email address is verified."""

from dataclasses import dataclass

from flaskauth import audit
from flaskauth.accounts import password_policy
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.core import crypto
from flaskauth.core.db.session import commit_now, db
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.core.http.request import client_network
from flaskauth.core.passwords import hashing
from flaskauth.mail import rate_limits as mail_limits
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes import verification
from flaskauth.one_time_codes.verification import InvalidCode, SubmittedCode, VerifiedCode
from flaskauth.rate_limits import service as rate_limits
from flaskauth.registration import pending
from flaskauth.registration.models import Registration
from flaskauth.registration.pending import PURPOSE, NewRegistration

FIRST_RESEND_SECONDS = codes.FIRST_RESEND_DELAY.total_seconds()


class EmailTaken(LookupError):
    """The email address belongs to a user, or is reserved for its previous owner."""


@dataclass(frozen=True)
class RegistrationData:
    """The body of a registration request."""

    email: EmailAddress
    password: str
    first_name: str
    last_name: str
    country: str | None = None
    locale: str = "en"


@dataclass(frozen=True)
class VerificationData:
    """A submitted code with the id or email address that identifies it. Both may be missing."""

    otp: str
    verification_id: bytes | None = None
    email: EmailAddress | None = None


@dataclass(frozen=True)
class ResendData:
    """The id of a pending registration, or an email address."""

    verification_id: bytes | None = None
    email: EmailAddress | None = None


@hashing.reserves_hash_slot
def register(form: RegistrationData) -> bytes:
    """Create a pending registration and mail its code. Return the registration's id.

    If the email address has an account, the registration is a decoy and the mail notifies the owner. Both cases write
    the same rows and compute one hash, so the response does not reveal which addresses are registered. A repeated
    request with the same password from the same network returns the same registration (a double click). From another
    network it is a new one: otherwise an attacker could test guesses of the password of a pending registration.

    Raises:
        WeakPassword, ValidationFailed, Overloaded
    """
    country_id = accounts.resolve_country_id(form.country)
    normalized_email = form.email.normalized
    password_policy.validate_password(
        form.password, first_name=form.first_name, last_name=form.last_name, normalized_email=normalized_email
    )
    network = client_network()
    comparison = commit_now(pending.count_comparison, normalized_email, network)
    # Registrations of an email address from one network share a salt, so a single hash reveals a repeated password.
    salt = crypto.mac("registration salt", normalized_email, network)[:16] if comparison.is_allowed else None
    password_hash = hashing.hash_password(form.password, salt)
    owner = accounts.get_email_owner(normalized_email)
    duplicate = pending.find_duplicate(normalized_email, password_hash, owner)
    if duplicate:
        rate_limits.refund(comparison)
        pending.resend(duplicate, is_by_id=True)
        return duplicate.id
    new = NewRegistration(form.email, password_hash, form.first_name, form.last_name, country_id, form.locale)
    return pending.create(new, owner)


@hashing.reserves_hash_slot
def create_user(form: RegistrationData) -> User:
    """Create a user with a verified email address for an operator. Codes of its pending registrations are revoked.

    Raises:
        EmailTaken, WeakPassword, ValidationFailed, Overloaded
    """
    country_id, normalized_email = accounts.resolve_country_id(form.country), form.email.normalized
    password_policy.validate_password(
        form.password, first_name=form.first_name, last_name=form.last_name, normalized_email=normalized_email
    )
    password_hash = hashing.hash_password(form.password)
    if accounts.get_email_owner(normalized_email):
        raise EmailTaken
    codes.revoke_for_purpose(PURPOSE, normalized_email)
    user = accounts.create(
        email=form.email.original,
        normalized_email=normalized_email,
        password_hash=password_hash,
        first_name=form.first_name,
        last_name=form.last_name,
        country_id=country_id,
        locale=form.locale,
    )
    audit.record("user_created", user_id=user.id)
    return user


def verify(data: VerificationData) -> User:
    """Create and return the account of the pending registration that the code belongs to.

    The code is used up, and its attempt and mail are refunded. Other pending registrations of the email address become
    decoys: their codes are no longer accepted. The new account, or an invalid code, is recorded in the audit log.

    Raises:
        InvalidCode, TooManyRequests, VerificationAmbiguous
    """
    try:
        verified = _verify_code(data)
        registration = db.session.get_one(Registration, verified.code_id)
        _require_available(registration.normalized_email)
        verified.consume()
        verified.refund()
    except InvalidCode:
        audit.record("invalid_code", purpose=PURPOSE)
        raise
    codes.revoke_for_purpose(PURPOSE, registration.normalized_email)
    pending.close(registration.id)
    user = accounts.create(
        email=registration.email,
        normalized_email=registration.normalized_email,
        password_hash=registration.password_hash,
        first_name=registration.first_name,
        last_name=registration.last_name,
        country_id=registration.country_id,
        locale=registration.locale,
    )
    mail_limits.refund_network(registration.network)
    audit.record("account_created", user_id=user.id)
    return user


def resend(data: ResendData) -> float:
    """Mail the code again if a resend is due. Return the seconds until the next resend.

    By email address the result is constant, so that it does not reveal whether a registration is pending.
    """
    if data.verification_id is not None:
        code = codes.find(PURPOSE, data.verification_id)
        pending.resend(code, is_by_id=True)
        return codes.resend_available_in(code) if code and not code.is_closed else FIRST_RESEND_SECONDS
    newest = codes.find_newest(PURPOSE, data.email.normalized, client_network()) if data.email else None
    pending.resend(newest, is_by_id=False, requested_email=data.email.normalized if data.email else "")
    return FIRST_RESEND_SECONDS


def _verify_code(data: VerificationData) -> VerifiedCode:
    submitted = SubmittedCode(PURPOSE, data.otp, client_network())
    if data.verification_id is not None:
        return verification.verify_by_id(submitted, data.verification_id)
    verified = (
        verification.verify_by_email(submitted, data.email.normalized)
        if data.email
        else verification.verify_by_code(submitted)
    )
    verification.require_single_candidate(PURPOSE, verified)
    return verified


def _require_available(normalized_email: str) -> None:
    """Raise InvalidCode if the email address has an owner by now: losing that race looks like a wrong code."""
    if accounts.get_email_owner(normalized_email):
        raise InvalidCode
