"""Ask for a new password, set it with the code from the mail, change it while signed in."""

from dataclasses import dataclass

from flaskauth import audit
from flaskauth.accounts import passwords
from flaskauth.accounts import service as accounts
from flaskauth.accounts.addresses import Address
from flaskauth.accounts.models import User
from flaskauth.accounts.passwords import WeakPassword
from flaskauth.codes import doors
from flaskauth.codes import service as codes
from flaskauth.codes.doors import Brought, Opened, WrongCode
from flaskauth.codes.service import Asked
from flaskauth.foundation import clock, hashing
from flaskauth.foundation.errors import Problem
from flaskauth.foundation.http import network
from flaskauth.login import budgets
from flaskauth.login import service as login
from flaskauth.login.service import WrongCredentials
from flaskauth.mail import outbox
from flaskauth.mail.models import DROPPED, QUEUED, WITHHELD
from flaskauth.passwords import emails
from flaskauth.sessions import devices
from flaskauth.sessions import service as sessions
from flaskauth.sessions.guards import SignedIn
from flaskauth.sessions.models import Session

PURPOSE = "reset"


class WrongResetCode(WrongCode):
    """401 {"code": "wrong_code"}: wrong, used, expired or never mailed; nobody learns which."""

    code = "wrong_code"
    message = "This code is wrong, was used, or has expired. Look at the newest mail, or ask for another code."


@dataclass(frozen=True)
class Reset:
    """A code, the door it is brought to, and the password that shall be."""

    otp: str
    password: str
    reset_id: bytes | None = None
    email: Address | None = None


def forgot(email: Address) -> bytes:
    """Mail a code to the owner of an address; the id of the reset. For nobody it is a decoy, at the same cost."""
    owner, here = accounts.owner(email.key), network()
    user_id = owner.id if owner else 0
    is_withheld = not devices.take_mail(email.key, user_id, here)
    asked = Asked(PURPOSE, email.key, here, ends_at=clock.now() + codes.LIFE)
    code = codes.issue(asked, is_decoy=owner is None, is_withheld=is_withheld)
    to, locale = (owner.email, owner.locale) if owner else (email.typed, "en")
    state = WITHHELD if is_withheld else QUEUED if owner else DROPPED
    outbox.put(emails.reset_code(code, to, locale), state)
    audit.record("reset_requested", user_id=user_id or None)
    return code.id


@hashing.queued
def reset(form: Reset) -> None:
    """Set a new password with the code from the mail; whatever the old one opened has ended.

    The password that was forgotten may be chosen again: to refuse it would tell it to whoever reads the mail.

    Raises:
        WrongResetCode, TooManyRequests, WeakPassword, Overloaded
    """
    try:
        user = _redeem(form)
    except WrongCode:
        audit.record("wrong_code", purpose=PURPOSE)
        raise WrongResetCode from None
    budgets.clear(user.address, network())
    audit.record("password_reset", user_id=user.id)
    _end_the_old(user)


@hashing.queued
def change(who: SignedIn, current: str, password: str) -> None:
    """Set a new password for who is signed in and gives the old one; the other sessions end.

    The same password again is refused: whoever changes it expects the old one to open nothing any more.

    Raises:
        WrongCredentials, TooManyRequests, WeakPassword, Overloaded
    """
    right = login.demand_password_of(who, current)
    try:
        _demand_other(password, current)
        hashed = _hashed(password, who.user)
    except Problem:
        right.give_back()
        raise
    right.give_back()
    if not accounts.change_password(right.stored, hashed):
        raise WrongCredentials  # somebody else was first
    audit.record("password_changed", user_id=who.user.id, session_id=who.session.id)
    _end_the_old(who.user, but=who.session)


def _redeem(form: Reset) -> User:
    """The person whose code it was, with the new password. A weak one leaves the code and its try unspent."""
    opened = _bring(form)
    user = accounts.find(opened.address)
    if user is None:
        raise WrongCode
    user_id = user.id
    try:
        hashed = _hashed(form.password, user)
    except Problem:
        opened.give_back()
        raise
    opened.give_back()
    opened.redeem()
    if not accounts.reset_password(user_id, opened.address, hashed):
        raise WrongCode
    return user


def _bring(form: Reset) -> Opened:
    brought = Brought(PURPOSE, form.otp, network())
    if form.reset_id is not None:
        return doors.by_id(brought, form.reset_id)
    assert form.email
    # All resets of an address lead to one account: a second one, whoever asked for it, contests nothing.
    return doors.by_address(brought, form.email.key)


def _hashed(password: str, user: User) -> str:
    """The hash of an acceptable password; no transaction is open meanwhile."""
    about = (user.first_name, user.last_name, *passwords.words_of_address(user.address))
    passwords.demand_strong(password, about)
    return hashing.hash_password(password)


def _demand_other(password: str, current: str) -> None:
    if hashing.normal(password) == hashing.normal(current):
        raise WeakPassword("Is the one that you have now.")


def _end_the_old(user: User, but: Session | None = None) -> None:
    """Nothing that the old password opened goes on, no code that waits sets another, and the owner is told."""
    codes.end_all(PURPOSE, user.address)
    accounts.end_address_changes(user.id)
    sessions.end_all(user.id, but)
    outbox.put(emails.password_changed(user, network()))
