"""A search for account takeovers: an attacker and the owner act in any order, until the owner recovers the account.

The attacker knows the password, but cannot read the owner's mail. The owner has an authenticator app and a passkey, and
has turned MFA off, so that the attacker can sign in and change the factors. In half of the runs, the attacker may also
phish a code of the owner, from a network that is new. The owner acts within 7 days.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import select
from tests.concurrency.interleaving import COMMIT, PausePoint, run_interleaved
from tests.registration.helpers import WRONG_CODE
from tests.security_alerts.takeover_actors import (
    FACTOR_CHANGES,
    RESET_CODE,
    WARNING,
    AccountActors,
    Actor,
    MailedLink,
    T,
    pick,
)
from tests.support.inspect import in_transaction, query_all
from tests.support.users import PASSWORD, registration_form

from flaskauth.account_deletion import erasure
from flaskauth.accounts.models import EmailChange, User
from flaskauth.core import clock
from flaskauth.mfa import factors
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes.models import OneTimeCode
from flaskauth.sessions.models import Device

EPISODE = timedelta(days=6, hours=12)  # the owner acts within 7 days of the first notice
CHANGE_CODE, REGISTRATION_CODE = "email_change/verify_email", "registration/verify_email"
# Requests of the attacker that are running while the owner follows a link, and where they are paused.
IN_FLIGHT: dict[str, PausePoint] = {
    "DELETE /users/account": (".", "FROM sessions"),
    "POST /users/email": (".", COMMIT),
    "POST /users/email/verify": (".", COMMIT),
    "POST /users/factors/totp": (".", COMMIT),  # the confirmation of a new authenticator app
}
MAX_WARNINGS = 2  # of wrong codes in an episode, so that the owner is not locked out
INDEX = st.integers(0, 7)
CHANGE = st.sampled_from(sorted(FACTOR_CHANGES))

_runs = count(1)


class TakeoverMachine(AccountActors, RuleBasedStateMachine):
    """Each run has an account of its own. A subclass sets the application, whose background jobs are stopped."""

    @initialize(can_phish=st.booleans())
    def create_account(self, can_phish: bool) -> None:
        clock.travel(-clock._offset)
        self.can_phish = can_phish
        run = next(_runs)
        self.client = self.app.test_client()
        self.email = f"grace{run}@example.com"
        self.owner = Actor([self.email])
        self.attacker = Actor([f"mallory{run}@example.{tld}" for tld in ("net", "org")])
        self.post("/auth/register", registration_form(self.email))
        assert self.post("/auth/verify", {"otp": self.code(self.owner, REGISTRATION_CODE), "email": self.email})
        [self.user_id] = query_all(self.app, select(User.id).where(User.normalized_email == self.email))
        assert self.sign_in_as(self.owner, PASSWORD, self.owner.network)
        assert all(self.change_factors(change, self.owner, 0) for change in ("add app", "add passkey", "turn MFA off"))
        assert self.sign_in_as(self.attacker, PASSWORD, self.attacker.network)
        self.attacker.sessions.clear()
        clock.travel(links.LIFETIME)  # the links in the mails about this are not valid any more
        self.begin_episode()
        self.read_mail()
        self.owner.links.clear()
        assert self.sign_in_as(self.attacker, PASSWORD, None if can_phish else self.attacker.network)

    def begin_episode(self) -> None:
        clock.travel(timedelta(minutes=2))  # a link undoes changes a minute before the attack too
        self.episode_ends_at = clock.now() + EPISODE
        self.kept_factors, self.kept_codes = self.active_factors(), self.active_codes()
        self.owner_has_changed_factors = self.has_phished = False
        self.warnings = 0

    # --- Rules for both ---

    @rule(is_owner=st.booleans(), password=INDEX)
    def sign_in(self, is_owner: bool, password: int) -> None:
        """Use the account's current address: it is in the notices."""
        actor = self.actor(is_owner)
        self.sign_in_as(actor, pick(actor.passwords, password))

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

    @rule(is_owner=st.booleans(), session=INDEX, password=INDEX)
    def reauthenticate(self, is_owner: bool, session: int, password: int) -> None:
        actor = self.actor(is_owner)
        self.reauthenticate_as(actor, session, pick(actor.passwords, password), actor)

    @rule(is_owner=st.booleans(), session=INDEX, path=st.sampled_from(["/users/account", "/auth/sessions"]))
    def delete_account_or_sessions(self, is_owner: bool, session: int, path: str) -> None:
        self.post_as(self.actor(is_owner), session, path, method="DELETE")

    @rule(is_owner=st.booleans(), session=INDEX, path=st.sampled_from(["/users/account/restore", "/auth/logout"]))
    def restore_or_log_out(self, is_owner: bool, session: int, path: str) -> None:
        self.post_as(self.actor(is_owner), session, path)

    # --- Rules for the owner ---

    @rule(change=CHANGE, is_proven=st.booleans())
    def change_own_factors(self, change: str, is_proven: bool) -> None:
        """Change factors in a new session at home, with or without a second factor."""
        password = self.owner.passwords[-1]
        if self.sign_in_as(self.owner, password, self.owner.network):
            if is_proven:
                self.reauthenticate_as(self.owner, 0, password, self.owner)
            self.owner_has_changed_factors |= self.change_factors(change, self.owner, 0)

    # --- Rules for the attacker ---

    @rule(change=CHANGE, session=INDEX)
    def attack_factors(self, change: str, session: int) -> None:
        self.change_factors(change, self.attacker, session)

    @rule(change=CHANGE, network=st.sampled_from(["the owner's", "the attacker's", "new"]))
    def attack_factors_in_new_session(self, change: str, network: str) -> None:
        at = {"the owner's": self.owner.network, "the attacker's": self.attacker.network}.get(network)
        if self.sign_in_as(self.attacker, self.attacker.passwords[-1], at):
            self.change_factors(change, self.attacker, 0)

    @precondition(lambda self: self.can_phish)
    @rule(change=CHANGE)
    def attack_factors_after_phishing(self, change: str) -> None:
        """Reauthenticate with a code of the owner, so that the change is made with a second factor."""
        password = self.attacker.passwords[-1]
        if self.sign_in_as(self.attacker, password) and self.reauthenticate_as(self.attacker, 0, password, self.owner):
            self.has_phished = True
            self.change_factors(change, self.attacker, 0)

    @precondition(lambda self: self.attacker.passkeys)
    @rule(key=INDEX)
    def attack_with_passkey(self, key: int) -> None:
        self.sign_in_with_passkey(self.attacker, pick(list(self.attacker.passkeys.values()), key))

    @precondition(lambda self: self.warnings < MAX_WARNINGS)
    @rule()
    def guess_second_factor(self) -> None:
        """Send three wrong codes, so that the owner is warned."""
        self.warnings += 1
        body = {"email": self.account_email(), "password": self.attacker.passwords[-1]}
        challenge = self.send("/auth/login", body).get_json().get("challenge_token")
        for _ in range(3 if challenge else 0):
            assert not self.post("/auth/second-factor", {"challenge_token": challenge, "otp": self.wrong_otp()})

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
        followed = pick(self.owner.links, link)
        follow = partial(self.follow, followed)
        if self.run_during_request(in_flight, follow) if in_flight else follow():
            self.check_recovery(followed)

    def teardown(self) -> None:
        """The owner's oldest link that is not used recovers an account at an attacker's address."""
        if self.account_email() != self.email:
            self.read_mail()
            followed = next(link for link in self.owner.links if self.follow(link))
            self.check_recovery(followed)

    def run_during_request(self, in_flight: str, action: Callable[[], T]) -> T:
        """Run the action between the authentication of an attacker's request and its first write."""
        if in_flight == "POST /users/email":
            clock.travel(timedelta(hours=1))  # the limit is 5 requests an hour
        account, otp = self.account(), self.code(self.attacker, CHANGE_CODE)
        new_email = next(email for email in self.attacker.emails if email != account.normalized_email)
        is_rejected_early = account.deletion_due_at or (otp == WRONG_CODE and in_flight.endswith("verify"))
        if is_rejected_early or not self.sign_in_as(self.attacker, self.attacker.passwords[-1]):
            return action()
        token, (method, path) = self.attacker.sessions[-1]["token"], in_flight.split()
        bodies = {"POST /users/email": {"email": new_email}, "POST /users/email/verify": {"otp": otp}}
        body = bodies.get(in_flight)
        if path == "/users/factors/totp":
            app = self.send(path, {"name": "App"}, token=token).get_json()
            if "secret" not in app:
                return action()
            self.attacker.secrets[app["id"]] = app["secret"]
            path, body = f"{path}/{app['id']}/confirm", {"otp": self.next_otp(app["secret"])}
        request = partial(self.send, path, body, method=method, token=token, client=self.app.test_client())
        return run_interleaved(self.app, IN_FLIGHT[in_flight], request, action)[1]

    def check_recovery(self, followed: MailedLink) -> None:
        """Nothing of the attacker works, before and after a password reset. Then they get the new password too."""
        self.check_attacker_has_nothing()
        assert self.reset_as(self.owner, self.email)
        self.check_attacker_has_nothing()
        if not (followed.template == WARNING and self.has_phished):  # the warning reports no session or change
            self.check_factors()
        self.give_account_back()
        self.attacker.passwords.append(self.owner.passwords[-1])
        self.owner.links.clear()
        self.begin_episode()

    def check_factors(self) -> None:
        """All active factors and codes are the owner's. Without changes of the owner, they are those from before."""
        active, active_codes = self.active_factors(), self.active_codes()
        assert active <= self.owner.factors
        assert active_codes <= self.owner.code_sets
        if not self.owner_has_changed_factors:
            assert (active, active_codes) == (self.kept_factors, self.kept_codes)
        for key in self.attacker.passkeys.values():
            assert not self.sign_in_with_passkey(self.attacker, key)

    def give_account_back(self) -> None:
        """The owner signs in, removes what is left of the attacker, and turns MFA off for the next episode."""
        clock.travel(timedelta(hours=1))  # wrong codes may have locked the second step
        assert self.sign_in_as(self.owner, self.owner.passwords[-1], self.owner.network)
        foreign = {f"totp/{app_id}" for app_id in self.active_apps() - self.owner.factors}
        foreign |= {f"passkeys/{key_id}" for key_id in self.active_passkeys() - self.owner.factors}
        for path in foreign:
            assert self.post_as(self.owner, 0, f"/users/factors/{path}", method="DELETE")
        if not self.active_factors():
            assert self.change_factors("add app", self.owner, 0)
        if not self.active_codes() <= self.owner.code_sets:
            assert self.change_factors("replace codes", self.owner, 0)
        assert self.change_factors("turn MFA off", self.owner, 0)
        if foreign:
            clock.travel(links.LIFETIME)  # a link would restore what the owner has just removed
        self.read_mail()

    def check_attacker_has_nothing(self) -> None:
        self.read_mail()
        before = self.account()
        for tokens in self.attacker.sessions:
            assert self.send("/users/profile", method="GET", token=tokens["token"]).status_code == 401
            assert not self.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]})
        self.attacker.sessions.clear()
        assert not any([self.follow(link) for link in self.attacker.links])
        for email in self.attacker.emails:
            body = {"otp": self.attacker.newest_code(RESET_CODE), "email": email, "password": self.new_password()}
            self.post("/auth/reset-password", body)
        assert not any(self.sign_in_as(self.attacker, password) for password in self.attacker.passwords[-3:])
        changes = select(EmailChange.id).where(EmailChange.user_id == self.user_id)
        pending = query_all(self.app, select(OneTimeCode).where(OneTimeCode.id.in_(changes)))
        assert not any(code.is_usable for code in pending)
        assert query_all(self.app, select(Device).where(Device.user_id == self.user_id)) == []
        assert (before.normalized_email, before.deletion_due_at) == (self.email, None)
        after = self.account()
        assert (after.normalized_email, after.password_hash) == (before.normalized_email, before.password_hash)

    def actor(self, is_owner: bool) -> Actor:
        return self.owner if is_owner else self.attacker

    def active_factors(self) -> set[int]:
        return self.active_apps() | self.active_passkeys()
