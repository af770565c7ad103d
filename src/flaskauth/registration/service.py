"""Open an attempt to join, mail its code, and make the account once the address is proven."""

from dataclasses import dataclass

from flaskauth import audit
from flaskauth.accounts import passwords
from flaskauth.accounts import service as accounts
from flaskauth.accounts.addresses import Address
from flaskauth.accounts.models import User
from flaskauth.codes import doors
from flaskauth.codes import service as codes
from flaskauth.codes.doors import Brought, Opened, WrongCode
from flaskauth.foundation import crypto, hashing
from flaskauth.foundation.db import db
from flaskauth.foundation.http import network
from flaskauth.registration import attempts
from flaskauth.registration.attempts import PURPOSE, Attempt
from flaskauth.registration.models import Registration

FIRST_WAIT = codes.FIRST_RESEND.total_seconds()


@dataclass(frozen=True)
class Joining:
    """What somebody sends to join."""

    email: Address
    password: str
    first_name: str
    last_name: str
    country: str | None = None
    locale: str = "en"


@dataclass(frozen=True)
class Proof:
    """A code, and the door it is brought to: an attempt, an address, or none."""

    otp: str
    verification_id: bytes | None = None
    email: Address | None = None


@hashing.queued
def register(form: Joining) -> bytes:
    """Open an attempt to join and mail its code; the attempt's id.

    Where the address has an account, the attempt is a decoy and the mail tells the owner. Both write the same rows and
    cost one hash, so nobody learns who is registered. The same password again is the same attempt (a double click).

    Raises:
        WeakPassword, InvalidInput, Overloaded
    """
    country_id = accounts.country_id(form.country)
    about = (form.first_name, form.last_name, *passwords.words_of_address(form.email.key))
    passwords.demand_strong(form.password, about)
    # One salt for all attempts of an address: one hash then tells that the same password came twice.
    salt = crypto.mac("registration salt", form.email.key)[:16]
    hashed = hashing.hash_password(form.password, salt)
    attempts.close_spent(form.email.key)
    owner = accounts.holder(form.email.key)
    same = attempts.find_same(form.email.key, hashed, owner)
    if same:
        attempts.mail_again(same, by_its_id=True)
        return same.id
    names = {"first_name": form.first_name, "last_name": form.last_name}
    asked = Attempt(form.email, hashed, {**names, "country_id": country_id, "locale": form.locale})
    return attempts.open_new(asked, owner)


def verify(proof: Proof) -> User:
    """The account of whoever proves the address: made from the attempt whose code it is; the others end as decoys.

    Raises:
        WrongCode, TooManyRequests, VerificationContested
    """
    try:
        opened = _bring(proof)
        attempt = db.session.get_one(Registration, opened.code_id)
        _demand_free(attempt.address)
        opened.redeem()
        opened.give_back()
    except WrongCode:
        audit.record("wrong_code", purpose=PURPOSE)
        raise
    codes.end_all(PURPOSE, attempt.address)
    attempts.close(attempt.id)
    return _join(attempt)


def resend(verification_id: bytes | None, email: Address | None) -> float:
    """Mail the code again when that is due; the seconds until it is due next. By address nothing can be learnt."""
    if verification_id is not None:
        code = codes.find(PURPOSE, verification_id)
        attempts.mail_again(code, by_its_id=True)
        return codes.seconds_to_next_mail(code) if code and not code.is_over else FIRST_WAIT
    newest = codes.newest(PURPOSE, email.key, network()) if email else None
    attempts.mail_again(newest, by_its_id=False)
    return FIRST_WAIT


def _bring(proof: Proof) -> Opened:
    brought = Brought(PURPOSE, proof.otp, network())
    if proof.verification_id is not None:
        return doors.by_id(brought, proof.verification_id)
    opened = doors.by_address(brought, proof.email.key) if proof.email else doors.alone(brought)
    doors.demand_uncontested(PURPOSE, opened)
    return opened


def _demand_free(address: str) -> None:
    """A race for one address is lost like a wrong code."""
    if accounts.holder(address):
        raise WrongCode


def _join(attempt: Registration) -> User:
    user = accounts.create(
        email=attempt.email,
        address=attempt.address,
        password=attempt.password,
        first_name=attempt.first_name,
        last_name=attempt.last_name,
        country_id=attempt.country_id,
        locale=attempt.locale,
    )
    audit.record("account_created", user_id=user.id)
    return user
