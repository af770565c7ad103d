"""People who go the whole road over HTTP, and ask again where no answer came."""

import random
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

from tests.faults.asking import Ask, Desk, Facts
from tests.faults.history import Call
from tests.faults.mailbox import Mailbox
from tests.journeys.visitors import NETWORKS
from tests.people import form

TRIES = 25
FEW = 4  # for what has tries, or mails, of its own
AGAIN = 0.4  # seconds
PATIENCE = 15.0  # seconds for a mail
NUMBERS = count(1)
chance = random.SystemRandom()


def session_of(refresh_token: str) -> str:
    return refresh_token.partition(".")[0]


class Person:
    """Somebody with an address and a network of their own."""

    def __init__(
        self,
        desk: Desk,
        mailbox: Mailbox,
        is_over: Callable[[], bool] = lambda: False,
        elsewhere: Desk | None = None,  # where what an ended session gave is brought
    ) -> None:
        self.email = f"person-{next(NUMBERS)}@example.com"
        self.network = next(NETWORKS)
        self.passwords = [secrets.token_urlsafe(15)]  # the newest that counts, or may, last
        self.door = ""
        self.token = ""
        self.refresh_tokens: list[str] = []
        self.sessions: set[str] = set()
        self.seen: set[str] = set()  # codes
        self._desk, self._mailbox, self._is_over = desk, mailbox, is_over
        self._elsewhere = elsewhere or desk

    @property
    def session(self) -> str:
        return session_of(self.refresh_tokens[-1])

    def go(self) -> None:
        """Join, sign in, look around, and leave or have another password."""
        if self.join() and self.sign_in() and self.look_around():
            chance.choice([self.sign_out, self.sign_out, self.change_password, self.reset_password])()

    def join(self, at_once: int = 0) -> bool:
        if not self.register():
            return False
        code = self.code()
        return bool(code) and self.verify(code, at_once or chance.choice([1, 1, 2]))

    def register(self) -> bool:
        body = form(self.email, password=self.passwords[0])
        ask = Ask("register", "/auth/register", body, learn=_door_of("verification_id"), facts=self._having())
        call = self._surely(ask, tries=8)
        self.door = call.door
        return call.outcome == "ok"

    def code(self) -> str:
        """A code from the mailbox that was not used yet; "" where none comes in time."""
        found = self._mailbox.wait_for_code(self.email, self.seen, PATIENCE)
        self.seen.add(found)
        return found

    def verify(self, code: str, at_once: int) -> bool:
        """Bring the code, to both servers at once where it is brought twice, and once more when it was taken."""
        body = {"otp": code, "verification_id": self.door}
        ask = Ask("verify", "/auth/verify", body, facts={"door": self.door, "otp": code})
        outcomes = {call.outcome for call in self._at_once(ask, at_once)}
        if "ok" in outcomes:
            self._once(ask)
        return outcomes != {"unknown"}  # whoever was refused may have been taken before: the sign-in tells

    def sign_in(self) -> bool:
        """With the password that counts, or with one of which nobody was told whether it does."""
        for password in reversed(self.passwords):
            if self.try_password(password).outcome == "ok":
                self.passwords = [password]
                return True
        return False

    def try_password(self, password: str, action: str = "sign_in") -> Call:
        body = {"email": self.email, "password": password}
        ask = Ask(action, "/auth/login", body, learn=self._keep, facts={"password": password})
        return self._surely(ask, tries=8)

    def look_around(self) -> bool:
        """See the profile and refresh, also twice with one token, and seldom with one that is too old."""
        for _ in range(chance.randint(1, 3)):
            self.profile()
            if self.refresh().outcome != "ok":
                return False
            if chance.random() < 0.3:
                self._surely(self._refreshing(self.refresh_tokens[-2], "refresh"))
        if len(self.refresh_tokens) > 2 and chance.random() < 0.2:
            self._surely(self._refreshing(self.refresh_tokens[-3], "replay_old", ends=(self.session,)))
            self._find_ended()
            return False
        return self.profile().outcome == "ok"

    def profile(self) -> Call:
        return self._surely(Ask("profile", "/users/profile", None, self.token, facts={"session": self.session}))

    def refresh(self) -> Call:
        return self._surely(self._refreshing(self.refresh_tokens[-1], "refresh"))

    def refresh_at_once(self, times: int) -> None:
        """Bring one token to both servers, several times at the same moment."""
        self._at_once(self._refreshing(self.refresh_tokens[-1], "refresh"), times)

    def sign_out(self) -> None:
        facts = {"session": self.session, "ends": (self.session,)}
        self._surely(Ask("logout", "/auth/logout", {}, self.token, facts=facts))
        self._find_ended()

    def change_password(self) -> None:
        newer, others = secrets.token_urlsafe(15), tuple(self.sessions - {self.session})
        body = {"current_password": self.passwords[-1], "password": newer}
        facts = {"session": self.session, "ends": others, "password": newer}
        ask = Ask("change", "/auth/change-password", body, self.token, facts=facts)
        self._have(newer, self._surely(ask, tries=FEW))

    def reset_password(self) -> None:
        opened = self._surely(Ask("forgot", "/auth/forgot-password", {"email": self.email}, learn=_door_of("reset_id")))
        for _ in range(2 if opened.outcome == "ok" else 0):
            # Who had to ask twice has two mails, and cannot tell which code is whose.
            code = self.code()
            if not code or self._reset(opened.door, code).outcome != "refused":
                break

    def _reset(self, door: str, code: str) -> Call:
        newer = secrets.token_urlsafe(15)
        body = {"otp": code, "password": newer, "reset_id": door}
        facts = {"door": door, "otp": code, "ends": tuple(self.sessions), "password": newer}
        call = self._surely(Ask("reset", "/auth/reset-password", body, facts=facts), tries=FEW)
        self._have(newer, call)
        self._find_ended()
        return call

    def probe(self, older: list[str]) -> None:
        """When all is well again: prove the address if that is open, then try every password there ever was."""
        left = self._mailbox.codes(self.email) if self.door else []
        for code in left[:1]:
            body = {"otp": code, "verification_id": self.door}
            self._once(Ask("probe_verify", "/auth/verify", body, facts={"door": self.door, "otp": code}))
        for password in dict.fromkeys([*reversed(self.passwords), *older]):
            self.try_password(password, "probe")

    def _have(self, password: str, change: Call) -> None:
        if change.outcome == "ok":
            self.passwords = [password]
        elif change.outcome == "unknown":
            self.passwords.append(password)

    def _find_ended(self) -> None:
        """Bring what the ended session gave; nothing of it may open anything."""
        profile = Ask("profile", "/users/profile", None, self.token, facts={"session": self.session})
        for ask in (profile, self._refreshing(self.refresh_tokens[-1], "refresh")):
            self._elsewhere.ask(self.email, self.network, ask)

    def _refreshing(self, token: str, action: str, **facts: Any) -> Ask:
        told = {"session": session_of(token), "brought": token, **facts}
        return Ask(action, "/auth/refresh", {"refresh_token": token}, learn=self._keep_newer, facts=told)

    def _keep(self, body: Any) -> Facts:
        self.refresh_tokens = [body["refresh_token"]]
        self.token = body["token"]
        self.sessions.add(self.session)
        return {"session": self.session, "gained": body["refresh_token"]}

    def _keep_newer(self, body: Any) -> Facts:
        if body["refresh_token"] not in self.refresh_tokens:
            self.refresh_tokens.append(body["refresh_token"])
        self.token = body["token"]
        return {"gained": body["refresh_token"]}

    def _having(self) -> Facts:
        return {"password": self.passwords[0]}

    def _once(self, ask: Ask) -> Call:
        return self._desk.ask(self.email, self.network, ask)[0]

    def _at_once(self, ask: Ask, times: int) -> list[Call]:
        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(lambda _: self._surely(ask, FEW), range(times)))

    def _surely(self, ask: Ask, tries: int = TRIES) -> Call:
        """The last of the calls that it took to be answered."""
        call = self._once(ask)
        for _ in range(tries - 1):
            if call.outcome != "unknown" or self._is_over():
                break
            time.sleep(AGAIN)
            call = self._once(ask)
        return call


class Crowd:
    """Some threads, each of which is one person after the other."""

    def __init__(self, desk: Desk, mailbox: Mailbox, threads: int) -> None:
        self.people: list[Person] = []
        self._desk, self._mailbox = desk, mailbox
        self._is_over = False
        self._threads = [threading.Thread(target=self._keep_coming) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Nobody new comes; who is on the way gets there."""
        self._is_over = True
        for thread in self._threads:
            thread.join()

    def _keep_coming(self) -> None:
        while not self._is_over:
            person = Person(self._desk, self._mailbox, lambda: self._is_over)
            self.people.append(person)
            person.go()
            time.sleep(chance.uniform(0, 0.2))


def _door_of(name: str) -> Callable[[Any], Facts]:
    return lambda body: {"door": body[name]}
