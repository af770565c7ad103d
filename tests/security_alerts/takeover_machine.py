"""A search for account takeovers: an attacker and the owner act in any order, until the owner recovers the account.

The attacker knows the password but cannot read the owner's mail. The owner has an authenticator app, and has turned MFA
off, so that the attacker can sign in and change the factors. The owner acts within 7 days. The mail is read from
the outbox, because rendering thousands of mails would take most of the time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, ClassVar, TypeVar

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import select, true
from tests.concurrency.interleaving import COMMIT, PausePoint, run_interleaved
from tests.registration.helpers import WRONG_CODE, unused_ip
from tests.support.inspect import in_transaction, query_all
from tests.support.users import PASSWORD, bearer, forwarded_for, registration_form
from werkzeug.test import TestResponse

from flaskauth.account_deletion import erasure
from flaskauth.accounts.models import EmailChange, User
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.mail.models import QUEUED, OutboxMail
from flaskauth.mfa import factors
from flaskauth.mfa.models import RecoveryCode, TotpFactor
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.models import OneTimeCode
from flaskauth.sessions.models import Device

EPISODE = timedelta(days=6, hours=12)  # the owner acts within 7 days of the first notice
CHANGE_CODE, RESET_CODE, REGISTRATION_CODE = (
    "email_change/verify_email",
    "passwords/reset_code",
    "registration/verify_email",
)
# Requests of the attacker that are running while the owner follows a link, and where they are paused.
IN_FLIGHT: dict[str, PausePoint] = {
    "DELETE /users/account": (".", "FROM sessions"),
    "POST /users/email": (".", COMMIT),
    "POST /users/email/verify": (".", COMMIT),
    "POST /users/factors/totp": (".", COMMIT),  # the confirmation of a new authenticator app
}
INDEX = st.integers(0, 7)

T = TypeVar("T")
_runs = count(1)


@dataclass
class Actor:
    """What the attacker or the owner knows: addresses that they read mail of, passwords, sessions, links and codes."""

    emails: list[str]
    passwords: list[str] = field(default_factory=lambda: [PASSWORD])
    sessions: list[dict[str, Any]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)  # path and token
    codes: list[tuple[str, str]] = field(default_factory=list)  # template and code
    secrets: dict[int, str] = field(default_factory=dict)  # of authenticator apps, by id

    def newest_code(self, template: str) -> str:
        return next((otp for name, otp in reversed(self.codes) if name == template), WRONG_CODE)


def pick(items: list[T], index: int) -> T:
    """Return an item, the newest with index 0."""
    return items[-1 - index % len(items)]


class TakeoverMachine(RuleBasedStateMachine):
    """Each run has an account of its own. A subclass sets the application, whose background jobs are stopped."""

    app: ClassVar[Flask]

    @initialize()
    def create_account(self) -> None:
        clock.travel(-clock._offset)
        run = next(_runs)
        self.client: FlaskClient = self.app.test_client()
        self.email = f"grace{run}@example.com"
        self.owner, self.attacker = (
            Actor([self.email]),
            Actor([f"mallory{run}@example.{tld}" for tld in ("net", "org")]),
        )
        self.last_mail_id = 0
        self.password_number = 0
        self.episode_ends_at = clock.now() + EPISODE
        self.post("/auth/register", registration_form(self.email))
        assert self.post("/auth/verify", {"otp": self.code(self.owner, REGISTRATION_CODE), "email": self.email})
        [self.user_id] = query_all(self.app, select(User.id).where(User.normalized_email == self.email))
        assert self.sign_in_as(self.owner, self.email, PASSWORD)
        assert self.enrol_as(self.owner, 0)
        self.owner_factors = self.active_rows(TotpFactor), self.active_rows(RecoveryCode)
        assert self.post_as(self.owner, 0, "/users/factors/mfa", {"enabled": False}, "PUT")
        clock.travel(links.LIFETIME)  # the owner knows that this factor is their own
        self.episode_ends_at = clock.now() + EPISODE
        self.read_mail()
        self.owner.links.clear()
        assert self.sign_in_as(self.attacker, self.email, PASSWORD)

    # --- Rules for both ---

    @rule(is_owner=st.booleans(), password=INDEX)
    def sign_in(self, is_owner: bool, password: int) -> None:
        """Use the account's current address: it is in the notices."""
        actor = self.actor(is_owner)
        self.sign_in_as(actor, self.account_email(), pick(actor.passwords, password))

    @rule(is_owner=st.booleans(), session=INDEX, to=INDEX)
    def request_email_change(self, is_owner: bool, session: int, to: int) -> None:
        actor = self.actor(is_owner)
        self.post_as(actor, session, "/users/email", {"email": pick(actor.emails, to)})

    @rule(is_owner=st.booleans(), session=INDEX)
    def confirm_email_change(self, is_owner: bool, session: int) -> None:
        actor = self.actor(is_owner)
        self.post_as(actor, session, "/users/email/verify", {"otp": self.code(actor, CHANGE_CODE)})

    @rule(is_owner=st.booleans(), at=INDEX)
    def reset_password(self, is_owner: bool, at: int) -> None:
        actor = self.actor(is_owner)
        self.reset_as(actor, pick(actor.emails, at))

    @rule(is_owner=st.booleans(), session=INDEX, known=INDEX)
    def change_password(self, is_owner: bool, session: int, known: int) -> None:
        actor, password = self.actor(is_owner), self.new_password()
        body = {"current_password": pick(actor.passwords, known), "password": password}
        actor.passwords += [password] if self.post_as(actor, session, "/auth/change-password", body) else []

    @rule(is_owner=st.booleans(), session=INDEX)
    def refresh(self, is_owner: bool, session: int) -> None:
        if sessions := self.actor(is_owner).sessions:
            tokens = pick(sessions, session)
            response = self.send("/auth/refresh", {"refresh_token": tokens["refresh_token"]})
            tokens |= response.get_json() if response.status_code == 200 else {}

    @rule(is_owner=st.booleans(), session=INDEX, path=st.sampled_from(["/users/account", "/auth/sessions"]))
    def delete_account_or_sessions(self, is_owner: bool, session: int, path: str) -> None:
        self.post_as(self.actor(is_owner), session, path, method="DELETE")

    @rule(is_owner=st.booleans(), session=INDEX, path=st.sampled_from(["/users/account/restore", "/auth/logout"]))
    def restore_or_log_out(self, is_owner: bool, session: int, path: str) -> None:
        self.post_as(self.actor(is_owner), session, path)

    # --- Rules for the attacker ---

    @rule(session=INDEX)
    def enrol(self, session: int) -> None:
        self.enrol_as(self.attacker, session)

    @rule(session=INDEX, factor=INDEX)
    def remove_factor(self, session: int, factor: int) -> None:
        if ids := self.active_rows(TotpFactor):
            self.post_as(self.attacker, session, f"/users/factors/totp/{pick(ids, factor)}", method="DELETE")

    @rule(session=INDEX)
    def replace_recovery_codes(self, session: int) -> None:
        self.post_as(self.attacker, session, "/users/factors/recovery-codes")

    @rule(session=INDEX, enabled=st.booleans())
    def switch_mfa(self, session: int, enabled: bool) -> None:
        self.post_as(self.attacker, session, "/users/factors/mfa", {"enabled": enabled}, "PUT")

    @rule(password=INDEX, to=INDEX)
    def sign_in_and_change_email(self, password: int, to: int) -> None:
        self.sign_in(is_owner=False, password=password)
        self.request_email_change(is_owner=False, session=0, to=to)
        self.confirm_email_change(is_owner=False, session=0)

    @rule(at=INDEX)
    def request_reset(self, at: int) -> None:
        self.post("/auth/forgot-password", {"email": pick(self.attacker.emails, at)})

    @precondition(lambda self: self.attacker.links)
    @rule(link=INDEX)
    def follow_attacker_link(self, link: int) -> None:
        self.follow(pick(self.attacker.links, link))

    @rule(at=INDEX)
    def register(self, at: int) -> None:
        """Register another account. It must not keep the owner from theirs."""
        email = pick([self.email, *self.attacker.emails], at)
        self.post("/auth/register", registration_form(email, password=self.new_password()))
        is_created = self.post("/auth/verify", {"otp": self.code(self.attacker, REGISTRATION_CODE), "email": email})
        assert not (is_created and email == self.email)

    @rule(hours=st.sampled_from([1, 12, 30]))
    def pass_time(self, hours: int) -> None:
        time = timedelta(hours=hours)
        if clock.now() + time < self.episode_ends_at:
            clock.travel(time)
            in_transaction(self.app, erasure.purge)
            in_transaction(self.app, factors.purge)

    # --- The owner recovers the account ---

    @precondition(lambda self: self.owner.links)
    @rule(link=INDEX, in_flight=st.sampled_from([None, *IN_FLIGHT]))
    def recover(self, link: int, in_flight: str | None) -> None:
        """Follow a link, possibly while a request of the attacker is running, and reset the password."""
        follow = partial(self.follow, pick(self.owner.links, link))
        if self.run_during_request(in_flight, follow) if in_flight else follow():
            self.check_recovery()

    def teardown(self) -> None:
        """The owner's oldest link that is not used recovers an account at an attacker's address."""
        if self.account_email() != self.email:
            self.read_mail()
            assert any(self.follow(link) for link in self.owner.links)
            self.check_recovery()

    def run_during_request(self, in_flight: str, action: Callable[[], T]) -> T:
        """Run the action between the authentication of an attacker's request and its first write."""
        if in_flight == "POST /users/email":
            clock.travel(timedelta(hours=1))  # the limit is 5 requests an hour
        account, otp = self.account(), self.code(self.attacker, CHANGE_CODE)
        new_email = next(email for email in self.attacker.emails if email != account.normalized_email)
        is_rejected_early = account.deletion_due_at or (otp == WRONG_CODE and in_flight.endswith("verify"))
        known = self.attacker.passwords[-1]
        if is_rejected_early or not self.sign_in_as(self.attacker, account.normalized_email, known):
            return action()
        token, (method, path) = self.attacker.sessions[-1]["token"], in_flight.split()
        bodies = {"POST /users/email": {"email": new_email}, "POST /users/email/verify": {"otp": otp}}
        body = bodies.get(in_flight)
        if path == "/users/factors/totp":
            app = self.send(path, {"name": "App"}, token=token).get_json()
            if "secret" not in app:
                return action()
            path, body = f"{path}/{app['id']}/confirm", {"otp": self.next_otp(app["secret"])}
        request = partial(self.send, path, body, method=method, token=token, client=self.app.test_client())
        return run_interleaved(self.app, IN_FLIGHT[in_flight], request, action)[1]

    def check_recovery(self) -> None:
        """Nothing of the attacker works, before and after a password reset. Then they get the new password too."""
        self.check_attacker_has_nothing()
        assert self.reset_as(self.owner, self.email)
        self.check_attacker_has_nothing()
        assert (self.active_rows(TotpFactor), self.active_rows(RecoveryCode)) == self.owner_factors
        assert self.sign_in_as(self.owner, self.email, self.owner.passwords[-1])
        assert self.post_as(self.owner, 0, "/users/factors/mfa", {"enabled": False}, "PUT")
        self.attacker.passwords.append(self.owner.passwords[-1])
        self.owner.links.clear()
        self.episode_ends_at = clock.now() + EPISODE

    def check_attacker_has_nothing(self) -> None:
        self.read_mail()
        before = self.account()
        for tokens in self.attacker.sessions:
            assert self.send("/users/profile", method="GET", token=tokens["token"]).status_code == 401
            assert not self.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]})
        assert not any([self.follow(link) for link in self.attacker.links])
        for email in self.attacker.emails:
            body = {"otp": self.attacker.newest_code(RESET_CODE), "email": email, "password": self.new_password()}
            self.post("/auth/reset-password", body)
        assert not any(
            self.sign_in_as(self.attacker, self.email, password) for password in self.attacker.passwords[-3:]
        )
        changes = select(EmailChange.id).where(EmailChange.user_id == self.user_id)
        pending = query_all(self.app, select(OneTimeCode).where(OneTimeCode.id.in_(changes)))
        assert not any(code.is_usable for code in pending)
        assert query_all(self.app, select(Device).where(Device.user_id == self.user_id)) == []
        assert (before.normalized_email, before.deletion_due_at) == (self.email, None)
        after = self.account()
        assert (after.normalized_email, after.password_hash) == (before.normalized_email, before.password_hash)

    # --- Requests and mail ---

    def actor(self, is_owner: bool) -> Actor:
        return self.owner if is_owner else self.attacker

    def account(self) -> User:
        [user] = query_all(self.app, select(User).where(User.id == self.user_id))
        assert isinstance(user, User)
        return user

    def account_email(self) -> str:
        return self.account().normalized_email

    def new_password(self) -> str:
        self.password_number += 1
        return f"nine purple umbrellas {self.password_number}"

    def send(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        method: str = "POST",
        token: str = "",
        client: FlaskClient | None = None,
    ) -> TestResponse:
        """Send a request from a new network."""
        headers = {**forwarded_for(unused_ip()), **(bearer(token) if token else {})}
        response = (client or self.client).open(path, method=method, json=body, headers=headers)
        assert response.status_code < 500, response.text
        return response

    def post(self, path: str, body: dict[str, str]) -> bool:
        return self.send(path, body).status_code == 200

    def post_as(
        self, actor: Actor, session: int, path: str, body: Mapping[str, object] | None = None, method: str = "POST"
    ) -> bool:
        """Send a request with one of the actor's access tokens. Return False without one."""
        token = pick(actor.sessions, session)["token"] if actor.sessions else ""
        return bool(token) and self.send(path, body, method, token).status_code == 200

    def follow(self, link: tuple[str, str]) -> bool:
        path, token = link
        return self.post(path, {"token": token})

    def sign_in_as(self, actor: Actor, email: str, password: str) -> bool:
        response = self.send("/auth/login", {"email": email, "password": password})
        for secret in actor.secrets.values() if "challenge_token" in response.get_json() else ():
            body = {"challenge_token": response.get_json()["challenge_token"], "otp": self.next_otp(secret)}
            second = self.send("/auth/second-factor", body)
            if second.status_code == 200:
                actor.sessions.append(second.get_json())
                return True
        actor.sessions += [response.get_json()] if response.status_code == 200 else []
        return response.status_code == 200

    def enrol_as(self, actor: Actor, session: int) -> bool:
        """Add an authenticator app in a session of the actor."""
        token = pick(actor.sessions, session)["token"] if actor.sessions else ""
        started = self.send("/users/factors/totp", {"name": "App"}, token=token)
        if started.status_code != 200:
            return False
        body = started.get_json()
        path, otp = f"/users/factors/totp/{body['id']}/confirm", self.next_otp(body["secret"])
        is_done = self.send(path, {"otp": otp}, token=token).status_code == 200
        actor.secrets |= {body["id"]: body["secret"]} if is_done else {}
        return is_done

    @staticmethod
    def next_otp(secret: str) -> str:
        """Return a code that was not used yet."""
        clock.travel(timedelta(seconds=30))
        return pyotp.TOTP(secret).at(clock.now())

    def active_rows(self, table: type[TotpFactor | RecoveryCode]) -> list[int]:
        """Return the ids of the user's confirmed factors or codes that are not removed."""
        own = select(table.id).where(table.user_id == self.user_id, table.removed_at.is_(None)).order_by(table.id)
        is_confirmed = TotpFactor.confirmed_at.is_not(None) if table is TotpFactor else true()
        return list(query_all(self.app, own.where(is_confirmed)))

    def reset_as(self, actor: Actor, email: str) -> bool:
        password = self.new_password()
        self.post("/auth/forgot-password", {"email": email})
        body = {"otp": self.code(actor, RESET_CODE), "email": email, "password": password}
        is_done = self.post("/auth/reset-password", body)
        actor.passwords += [password] if is_done else []
        return is_done

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
                    actor.links.append((path.removeprefix("http://localhost:5000"), token))
            db.session.commit()
