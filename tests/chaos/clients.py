"""Simulated users that go through the whole account lifecycle over HTTP and retry calls without a response."""

import random
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

from tests.chaos.history import Call
from tests.chaos.http_client import ApiRequest, Facts, RecordingClient
from tests.chaos.mailbox import Mailbox
from tests.e2e.http_client import CLIENT_IPS
from tests.support.users import registration_form

MAX_ATTEMPTS = 25
FEW_ATTEMPTS = 4  # for calls with their own limit of attempts or mails
RETRY_DELAY = 0.4  # seconds
MAIL_TIMEOUT = 15.0  # seconds
USER_NUMBERS = count(1)
rng = random.SystemRandom()


def session_id_of(refresh_token: str) -> str:
    return refresh_token.partition(".")[0]


class SimulatedUser:
    """A user with their own email address and IP."""

    def __init__(
        self,
        client: RecordingClient,
        mailbox: Mailbox,
        is_stopped: Callable[[], bool] = lambda: False,
        other_client: RecordingClient | None = None,  # receives the tokens of a revoked session
    ) -> None:
        self.email = f"user-{next(USER_NUMBERS)}@example.com"
        self.network = next(CLIENT_IPS)
        self.passwords = [secrets.token_urlsafe(15)]  # the newest password that is, or may be, valid comes last
        self.verification_id = ""
        self.token = ""
        self.refresh_tokens: list[str] = []
        self.sessions: set[str] = set()
        self.seen_codes: set[str] = set()
        self._client, self._mailbox, self._is_stopped = client, mailbox, is_stopped
        self._other_client = other_client or client

    @property
    def session_id(self) -> str:
        return session_id_of(self.refresh_tokens[-1])

    def run_lifecycle(self) -> None:
        """Register, sign in, use the session, then sign out or get a new password."""
        if self.register_and_verify() and self.sign_in() and self.use_session():
            rng.choice([self.sign_out, self.sign_out, self.change_password, self.reset_password])()

    def register_and_verify(self, parallel: int = 0) -> bool:
        if not self.register():
            return False
        code = self.wait_for_code()
        return bool(code) and self.verify(code, parallel or rng.choice([1, 1, 2]))

    def register(self) -> bool:
        body = registration_form(self.email, password=self.passwords[0])
        request = ApiRequest(
            "register",
            "/auth/register",
            body,
            extract_facts=_extract_id("verification_id"),
            facts=self._password_facts(),
        )
        call = self._send_with_retries(request, attempts=8)
        self.verification_id = call.code_id
        return call.outcome == "ok"

    def wait_for_code(self) -> str:
        """Return a code from the mailbox that was not used yet, or "" on timeout."""
        code = self._mailbox.wait_for_code(self.email, self.seen_codes, MAIL_TIMEOUT)
        self.seen_codes.add(code)
        return code

    def verify(self, code: str, parallel: int) -> bool:
        """Submit the code (concurrently to both servers if `parallel` is 2), and again after it was accepted."""
        body = {"otp": code, "verification_id": self.verification_id}
        request = ApiRequest("verify", "/auth/verify", body, facts={"code_id": self.verification_id, "otp": code})
        outcomes = {call.outcome for call in self._send_in_parallel(request, parallel)}
        if "ok" in outcomes:
            self._send_once(request)
        return outcomes != {
            "unknown"
        }  # a rejected call may follow an accepted one without a response: the sign-in decides

    def sign_in(self) -> bool:
        """Sign in with the valid password, or with one whose change got no response."""
        for password in reversed(self.passwords):
            if self.try_password(password).outcome == "ok":
                self.passwords = [password]
                return True
        return False

    def try_password(self, password: str, action: str = "sign_in") -> Call:
        body = {"email": self.email, "password": password}
        request = ApiRequest(action, "/auth/login", body, extract_facts=self._store_login, facts={"password": password})
        return self._send_with_retries(request, attempts=8)

    def use_session(self) -> bool:
        """Read the profile and refresh: often twice with one token, seldom with a token that is too old."""
        for _ in range(rng.randint(1, 3)):
            self.profile()
            if self.refresh().outcome != "ok":
                return False
            if rng.random() < 0.3:
                self._send_with_retries(self._refresh_request(self.refresh_tokens[-2], "refresh"))
        if len(self.refresh_tokens) > 2 and rng.random() < 0.2:
            self._send_with_retries(
                self._refresh_request(self.refresh_tokens[-3], "replay_old", revokes=(self.session_id,))
            )
            self._probe_revoked_tokens()
            return False
        return self.profile().outcome == "ok"

    def profile(self) -> Call:
        return self._send_with_retries(
            ApiRequest("profile", "/users/profile", None, self.token, facts={"session_id": self.session_id})
        )

    def refresh(self) -> Call:
        return self._send_with_retries(self._refresh_request(self.refresh_tokens[-1], "refresh"))

    def refresh_in_parallel(self, times: int) -> None:
        """Send one token to both servers, several times concurrently."""
        self._send_in_parallel(self._refresh_request(self.refresh_tokens[-1], "refresh"), times)

    def sign_out(self) -> None:
        facts = {"session_id": self.session_id, "revokes": (self.session_id,)}
        self._send_with_retries(ApiRequest("logout", "/auth/logout", {}, self.token, facts=facts))
        self._probe_revoked_tokens()

    def change_password(self) -> None:
        new_password, other_sessions = secrets.token_urlsafe(15), tuple(self.sessions - {self.session_id})
        body = {"current_password": self.passwords[-1], "password": new_password}
        facts = {"session_id": self.session_id, "revokes": other_sessions, "password": new_password}
        request = ApiRequest("change", "/auth/change-password", body, self.token, facts=facts)
        self._note_password(new_password, self._send_with_retries(request, attempts=FEW_ATTEMPTS))

    def reset_password(self) -> None:
        request = self._send_with_retries(
            ApiRequest("forgot", "/auth/forgot-password", {"email": self.email}, extract_facts=_extract_id("reset_id"))
        )
        for _ in range(2 if request.outcome == "ok" else 0):
            # After a retried request there are two mails, and the user cannot tell which code belongs to which.
            code = self.wait_for_code()
            if not code or self._reset(request.code_id, code).outcome != "rejected":
                break

    def _reset(self, code_id: str, code: str) -> Call:
        new_password = secrets.token_urlsafe(15)
        body = {"otp": code, "password": new_password, "reset_id": code_id}
        facts = {"code_id": code_id, "otp": code, "revokes": tuple(self.sessions), "password": new_password}
        call = self._send_with_retries(
            ApiRequest("reset", "/auth/reset-password", body, facts=facts), attempts=FEW_ATTEMPTS
        )
        self._note_password(new_password, call)
        self._probe_revoked_tokens()
        return call

    def probe_credentials(self, older: list[str]) -> None:
        """After recovery, verify the email address if that is pending, then try every password that ever existed."""
        codes = self._mailbox.codes(self.email) if self.verification_id else []
        for code in codes[:1]:
            body = {"otp": code, "verification_id": self.verification_id}
            self._send_once(
                ApiRequest("probe_verify", "/auth/verify", body, facts={"code_id": self.verification_id, "otp": code})
            )
        for password in dict.fromkeys([*reversed(self.passwords), *older]):
            self.try_password(password, "probe")

    def _note_password(self, password: str, change: Call) -> None:
        if change.outcome == "ok":
            self.passwords = [password]
        elif change.outcome == "unknown":
            self.passwords.append(password)

    def _probe_revoked_tokens(self) -> None:
        """Use the tokens of the revoked session, which must all be rejected."""
        profile = ApiRequest("profile", "/users/profile", None, self.token, facts={"session_id": self.session_id})
        for request in (profile, self._refresh_request(self.refresh_tokens[-1], "refresh")):
            self._other_client.send(self.email, self.network, request)

    def _refresh_request(self, token: str, action: str, **facts: Any) -> ApiRequest:
        facts = {"session_id": session_id_of(token), "sent_refresh_token": token, **facts}
        return ApiRequest(
            action, "/auth/refresh", {"refresh_token": token}, extract_facts=self._store_refresh, facts=facts
        )

    def _store_login(self, body: Any) -> Facts:
        self.refresh_tokens = [body["refresh_token"]]
        self.token = body["token"]
        self.sessions.add(self.session_id)
        return {"session_id": self.session_id, "received_refresh_token": body["refresh_token"]}

    def _store_refresh(self, body: Any) -> Facts:
        if body["refresh_token"] not in self.refresh_tokens:
            self.refresh_tokens.append(body["refresh_token"])
        self.token = body["token"]
        return {"received_refresh_token": body["refresh_token"]}

    def _password_facts(self) -> Facts:
        return {"password": self.passwords[0]}

    def _send_once(self, request: ApiRequest) -> Call:
        return self._client.send(self.email, self.network, request)[0]

    def _send_in_parallel(self, request: ApiRequest, times: int) -> list[Call]:
        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(lambda _: self._send_with_retries(request, FEW_ATTEMPTS), range(times)))

    def _send_with_retries(self, request: ApiRequest, attempts: int = MAX_ATTEMPTS) -> Call:
        """Send until there is a response. Return the last call."""
        call = self._send_once(request)
        for _ in range(attempts - 1):
            if call.outcome != "unknown" or self._is_stopped():
                break
            time.sleep(RETRY_DELAY)
            call = self._send_once(request)
        return call


class UserPool:
    """Threads that each simulate one user after another."""

    def __init__(self, client: RecordingClient, mailbox: Mailbox, threads: int) -> None:
        self.users: list[SimulatedUser] = []
        self._client, self._mailbox = client, mailbox
        self._is_stopped = False
        self._threads = [threading.Thread(target=self._run_users) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Start no more users and wait for the running ones."""
        self._is_stopped = True
        for thread in self._threads:
            thread.join()

    def _run_users(self) -> None:
        while not self._is_stopped:
            user = SimulatedUser(self._client, self._mailbox, lambda: self._is_stopped)
            self.users.append(user)
            user.run_lifecycle()
            time.sleep(rng.uniform(0, 0.2))


def _extract_id(name: str) -> Callable[[Any], Facts]:
    return lambda body: {"code_id": body[name]}
