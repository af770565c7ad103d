"""Sign in, and prove again that it is you."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NoReturn

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.addresses import Address
from flaskauth.accounts.service import Credentials
from flaskauth.codes import links
from flaskauth.foundation import clock, hashing
from flaskauth.foundation.db import at_once
from flaskauth.foundation.errors import TooManyRequests, Unauthorized
from flaskauth.foundation.http import network, user_agent
from flaskauth.keys import service as keys
from flaskauth.keys import tokens
from flaskauth.keys.tokens import FRESH_FOR
from flaskauth.login import budgets, emails
from flaskauth.login.budgets import Asked, Try
from flaskauth.mail import outbox
from flaskauth.sessions import devices
from flaskauth.sessions import service as sessions
from flaskauth.sessions.device_names import device_name
from flaskauth.sessions.guards import SignedIn


class WrongCredentials(Unauthorized):
    """401 {"code": "wrong_credentials"}: nobody learns whether it was the address, the password or the proof."""

    code = "wrong_credentials"
    message = (
        "Login failed! Invalid email or password. If you have just registered, enter the code from the mail first."
    )


@dataclass(frozen=True)
class Credential:
    """What somebody brings to sign in."""

    email: Address
    password: str
    device_token: str | None = None


@dataclass(frozen=True)
class Welcome:
    """What a sign-in gives."""

    token: str
    refresh_token: str
    expired_at: datetime
    device_token: str
    user: dict[str, Any]


@dataclass(frozen=True)
class Fresh:
    """A token that may change what matters, and until when."""

    token: str
    fresh_until: datetime


@dataclass(frozen=True)
class Right:
    """A password that was right: whose, and what to give back once nothing more is to be hashed."""

    asked: Asked
    stored: Credentials
    tried: Try

    def give_back(self) -> None:
        budgets.give_back(self.asked, self.tried)


@hashing.queued
def sign_in(brought: Credential) -> Welcome:
    """A session for who brings the right password of a proven address.

    Raises:
        WrongCredentials, TooManyRequests, Overloaded
    """
    stored = accounts.credentials(brought.email.key)
    known = devices.known(stored.user_id, network(), brought.device_token)
    asked = Asked(brought.email.key, network(), known.device_id, is_known=bool(known))
    stored = _up_to_date(demand_password(asked, stored, brought.password), brought.password)
    device_token = brought.device_token if known.device_id else None
    return finish(stored, known.device_id, device_token)


def finish(stored: Credentials, device_id: int | None, device_token: str | None) -> Welcome:
    """The one door that every sign-in passes: the account is still what was compared, the session begins.

    Raises:
        WrongCredentials: meanwhile the account is gone or has another password.
        Unavailable: nothing can sign its tokens yet.
    """
    keys.signer()  # before anything is written: a refusal is committed
    if not accounts.let_in(stored):
        raise WrongCredentials
    user = stored.person
    is_new = stored.has_signed_in and not device_id and not devices.is_seen(user.id, network(), user_agent())
    device_id, device_token = devices.remember(user.id, device_id, device_token)
    begun = sessions.start(user.id, device_id)
    audit.record("sign_in", user_id=user.id, session_id=begun.session_id)
    if is_new:
        link = links.issue(links.DISOWN, user.id, session_id=begun.session_id)
        outbox.put(emails.new_device(user, device_name(user_agent()), network(), link))
    return Welcome(begun.token, begun.refresh_token, begun.expired_at, device_token, accounts.shown(user))


@hashing.queued
def reauthenticate(who: SignedIn, password: str) -> Fresh:
    """A fresh token for who is signed in and gives the password again.

    Raises:
        WrongCredentials, TooManyRequests, Overloaded
    """
    user_id, session_id, auth_time = who.user.id, who.session.id, who.session.created_at
    demand_password_of(who, password).give_back()
    audit.record("reauthenticated", user_id=user_id, session_id=session_id)
    return Fresh(tokens.issue(user_id, session_id, auth_time, fresh=True), clock.now() + FRESH_FOR)


def demand_password(asked: Asked, stored: Credentials, password: str) -> Right:
    """Compare the password, within the budgets that every call with a password shares.

    Raises:
        WrongCredentials, TooManyRequests, Overloaded
    """
    tried = at_once(budgets.count, asked, budgets.is_flood())
    is_right = tried.hashes and hashing.verify(password, stored.password if tried.compares else None)
    if not is_right:
        _fail(tried, stored)
    return Right(asked, stored, tried)


def demand_password_of(who: SignedIn, password: str) -> Right:
    """Compare the password of who is signed in.

    Raises:
        WrongCredentials, TooManyRequests, Overloaded
    """
    # The session's own device is known: whoever guesses from elsewhere cannot keep its owner from proving it.
    asked = Asked(who.user.address, network(), who.session.device_id, is_known=True)
    return demand_password(asked, Credentials(who.user.id, who.user.password), password)


def _up_to_date(right: Right, password: str) -> Credentials:
    """What is stored now: a hash of an older kind gives way to one of today's."""
    stored = right.stored
    hashed = hashing.renewed(password, stored.password or "")
    right.give_back()
    if hashed is None:
        return stored
    accounts.change_password(stored, hashed)
    return replace(stored, password=hashed)


def _fail(tried: Try, stored: Credentials) -> NoReturn:
    audit.record("sign_in_failed", user_id=stored.user_id or None)
    budgets.note_failure()
    if tried.waits:
        raise TooManyRequests(retry_after=tried.retry_after)
    raise WrongCredentials
