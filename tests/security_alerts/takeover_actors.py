"""The attacker and the owner of an account: what they know, and the requests that they send.

The mail is read from the outbox, because rendering thousands of mails would take most of the time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeVar

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.mfa.helpers import STEP, otp_of_no_app
from tests.passkeys.client import PASSKEYS, sign_in_options
from tests.registration.helpers import WRONG_CODE, unused_ip
from tests.support.inspect import query_all
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.users import PASSWORD, bearer, forwarded_for
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.mail.models import QUEUED, OutboxMail
from flaskauth.mfa.models import ACTIVE_PASSKEY, ACTIVE_TOTP, Passkey, RecoveryCode, TotpFactor
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.models import EmailLink

RESET_CODE = "passwords/reset_code"
WARNING = "login/second_factor_failed"

T = TypeVar("T")


class MailedLink(NamedTuple):
    """A link, the mail that it was in, and the session that it reports."""

    path: str
    token: str
    template: str
    session_id: int | None


@dataclass
class Actor:
    """What the attacker or the owner knows and has. Factors are known by their ids in the database."""

    emails: list[str]
    network: str = field(default_factory=unused_ip)  # that the account was used from before
    passwords: list[str] = field(default_factory=lambda: [PASSWORD])
    sessions: list[dict[str, Any]] = field(default_factory=list)
    links: list[MailedLink] = field(default_factory=list)
    codes: list[tuple[str, str]] = field(default_factory=list)  # template and code
    started_apps: list[tuple[int, str]] = field(default_factory=list)  # not confirmed
    secrets: dict[int, str] = field(default_factory=dict)  # of authenticator apps
    passkeys: dict[int, SoftAuthenticator] = field(default_factory=dict)
    code_sets: set[bytes] = field(default_factory=set)

    @property
    def factors(self) -> set[int]:
        return set(self.secrets) | set(self.passkeys)

    def newest_code(self, template: str) -> str:
        return next((otp for name, otp in reversed(self.codes) if name == template), WRONG_CODE)


def pick(items: list[T], index: int) -> T:
    """Return an item, the newest with index 0."""
    return items[-1 - index % len(items)]


class AccountActors:
    """The owner and the attacker of one account."""

    app: ClassVar[Flask]
    client: FlaskClient
    user_id: int
    owner: Actor
    attacker: Actor
    password_number = 0

    # --- Requests ---

    def send(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        method: str = "POST",
        token: str = "",
        *,
        at: str | None = None,
        client: FlaskClient | None = None,
    ) -> TestResponse:
        """Send a request, from a new network if none is given."""
        headers = {**forwarded_for(at or unused_ip()), **(bearer(token) if token else {})}
        response = (client or self.client).open(path, method=method, json=body, headers=headers)
        assert response.status_code < 500, response.text
        return response

    def post(self, path: str, body: Mapping[str, object]) -> bool:
        return self.send(path, body).status_code == 200

    def send_as(
        self, actor: Actor, session: int, path: str, body: Mapping[str, object] | None = None, method: str = "POST"
    ) -> dict[str, Any] | None:
        """Send a request with one of the actor's access tokens. Return the data, or None if it was rejected."""
        token = pick(actor.sessions, session)["token"] if actor.sessions else ""
        response = self.send(path, body, method, token) if token else None
        data: dict[str, Any] | None = response.get_json() if response and response.status_code == 200 else None
        return data

    def post_as(
        self, actor: Actor, session: int, path: str, body: Mapping[str, object] | None = None, method: str = "POST"
    ) -> bool:
        return self.send_as(actor, session, path, body, method) is not None

    def follow(self, link: MailedLink) -> bool:
        return self.post(link.path, {"token": link.token})

    def sign_in_as(self, actor: Actor, password: str, at: str | None = None, email: str = "") -> bool:
        """Sign in with the password, and with a factor of the actor if one is required."""
        response = self.send("/auth/login", {"email": email or self.account_email(), "password": password}, at=at)
        if "challenge_token" in response.get_json() and (proof := self.proof(actor, response.get_json())):
            body = {"challenge_token": response.get_json()["challenge_token"], **proof}
            response = self.send("/auth/second-factor", body, at=at)
        actor.sessions += [response.get_json()] if response.status_code == 200 else []
        return response.status_code == 200

    def proof(self, actor: Actor, options: Mapping[str, Any]) -> dict[str, object]:
        """Return a factor of the actor that the account has, or nothing."""
        if own := self.active_apps() & actor.secrets.keys():
            return {"otp": self.next_otp(actor.secrets[min(own)])}
        if (own := self.active_passkeys() & actor.passkeys.keys()) and options.get("passkey"):
            return {"passkey": actor.passkeys[min(own)].get(options["passkey"])}
        return {}

    def sign_in_with_passkey(self, actor: Actor, key: SoftAuthenticator, at: str | None = None) -> bool:
        response = self.send("/auth/passkeys", {"credential": key.get(sign_in_options(self.client))}, at=at)
        actor.sessions += [response.get_json()] if response.status_code == 200 else []
        return response.status_code == 200

    def reauthenticate_as(self, actor: Actor, session: int, password: str, owner_of_factor: Actor) -> bool:
        """Prove the password, and a factor if there is one, in a session of the actor."""
        options = self.send_as(actor, session, "/auth/reauthenticate/options") or {}
        body = {"password": password, **self.proof(owner_of_factor, options)}
        fresh = self.send_as(actor, session, "/auth/reauthenticate", body)
        if fresh:
            pick(actor.sessions, session)["token"] = fresh["token"]
        return fresh is not None

    def reset_as(self, actor: Actor, email: str) -> bool:
        password = self.new_password()
        self.post("/auth/forgot-password", {"email": email})
        is_done = self.post(
            "/auth/reset-password", {"otp": self.code(actor, RESET_CODE), "email": email, "password": password}
        )
        actor.passwords += [password] if is_done else []
        return is_done

    # --- Factors ---

    def start_app(self, actor: Actor, session: int) -> bool:
        body = self.send_as(actor, session, "/users/factors/totp", {"name": "App"})
        actor.started_apps += [(body["id"], body["secret"])] if body else []
        return body is not None

    def confirm_app(self, actor: Actor, session: int) -> bool:
        """Confirm the newest app that the actor has started."""
        if not actor.started_apps:
            return False
        app_id, secret = actor.started_apps[-1]
        path = f"/users/factors/totp/{app_id}/confirm"
        body = self.send_as(actor, session, path, {"otp": self.next_otp(secret)})
        actor.secrets |= {app_id: secret} if body else {}
        return body is not None

    def add_app(self, actor: Actor, session: int) -> bool:
        return self.start_app(actor, session) and self.confirm_app(actor, session)

    def add_passkey(self, actor: Actor, session: int) -> bool:
        options, key = self.send_as(actor, session, f"{PASSKEYS}/options", {"kind": "passkey"}), SoftAuthenticator()
        if not options:
            return False
        credential = key.create(options["options"])
        body = self.send_as(actor, session, PASSKEYS, {"credential": credential, "name": "Key"})
        actor.passkeys |= {body["passkey"]["id"]: key} if body else {}
        return body is not None

    def remove_app(self, actor: Actor, session: int, index: int = 0) -> bool:
        ids = sorted(self.active_apps())
        return bool(ids) and self.post_as(actor, session, f"/users/factors/totp/{pick(ids, index)}", method="DELETE")

    def remove_passkey(self, actor: Actor, session: int, index: int = 0) -> bool:
        ids = sorted(self.active_passkeys())
        return bool(ids) and self.post_as(actor, session, f"{PASSKEYS}/{pick(ids, index)}", method="DELETE")

    def replace_codes(self, actor: Actor, session: int) -> bool:
        return self.post_as(actor, session, "/users/factors/recovery-codes")

    def turn_mfa_off(self, actor: Actor, session: int) -> bool:
        return self.post_as(actor, session, "/users/factors/mfa", {"enabled": False}, "PUT")

    def turn_mfa_on(self, actor: Actor, session: int) -> bool:
        return self.post_as(actor, session, "/users/factors/mfa", {"enabled": True}, "PUT")

    def change_factors(self, change: str, actor: Actor, session: int) -> bool:
        """Do one of FACTOR_CHANGES, and note whose recovery codes are active."""
        before = self.active_codes()
        is_done = FACTOR_CHANGES[change](self, actor, session)
        actor.code_sets |= self.active_codes() - before
        return is_done

    def active_apps(self) -> set[int]:
        return set(query_all(self.app, select(TotpFactor.id).where(TotpFactor.user_id == self.user_id, ACTIVE_TOTP)))

    def active_passkeys(self) -> set[int]:
        return set(query_all(self.app, select(Passkey.id).where(Passkey.user_id == self.user_id, ACTIVE_PASSKEY)))

    def active_codes(self) -> set[bytes]:
        """Return the salts of the sets that are active."""
        sets = select(RecoveryCode.salt).where(RecoveryCode.user_id == self.user_id)
        return set(query_all(self.app, sets.where(RecoveryCode.removed_at.is_(None)).distinct()))

    @staticmethod
    def next_otp(secret: str) -> str:
        """Return a code that was not used yet."""
        clock.travel(STEP)
        return pyotp.TOTP(secret).at(clock.now())

    def wrong_otp(self) -> str:
        """Return six digits that are no code of an app of the account."""
        return otp_of_no_app(*self.owner.secrets.values(), *self.attacker.secrets.values())

    # --- The account and its mail ---

    def account(self) -> User:
        [user] = query_all(self.app, select(User).where(User.id == self.user_id))
        assert isinstance(user, User)
        return user

    def account_email(self) -> str:
        return self.account().normalized_email

    def new_password(self) -> str:
        self.password_number += 1
        return f"nine purple umbrellas {self.password_number}"

    def code(self, actor: Actor, template: str) -> str:
        """Return the code of the actor's newest mail of this template, or a wrong one."""
        self.read_mail()
        return actor.newest_code(template)

    def read_mail(self) -> None:
        """Add the links and codes in new mails to what their readers know."""
        emails = {email: actor for actor in (self.owner, self.attacker) for email in actor.emails}
        new = select(OutboxMail).where(OutboxMail.state == QUEUED, OutboxMail.recipient.in_(emails))
        with self.app.app_context():
            for mail in db.session.scalars(new.order_by(OutboxMail.created_at)).all():
                mail.state = "read"
                actor = emails[mail.recipient]
                if mail.code_id:
                    actor.codes.append((mail.template, codes.past_code(mail.code_id)))
                if mail.link_id:
                    path, _, token = links.past_url(mail.link_id).partition("#")
                    session_id = db.session.get_one(EmailLink, mail.link_id).session_id
                    path = path.removeprefix("http://localhost:5000")
                    actor.links.append(MailedLink(path, token, mail.template, session_id))
            db.session.commit()


FactorChange = Callable[[AccountActors, Actor, int], bool]
FACTOR_CHANGES: dict[str, FactorChange] = {
    "start app": AccountActors.start_app,
    "confirm app": AccountActors.confirm_app,
    "add app": AccountActors.add_app,
    "add passkey": AccountActors.add_passkey,
    "remove app": AccountActors.remove_app,
    "remove passkey": AccountActors.remove_passkey,
    "replace codes": AccountActors.replace_codes,
    "turn MFA off": AccountActors.turn_mfa_off,
    "turn MFA on": AccountActors.turn_mfa_on,
}
