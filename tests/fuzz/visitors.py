"""Those who call what is described, with addresses, passwords and codes that are good, most of the time."""

import json
import time
from collections import Counter, deque
from ipaddress import IPv4Address
from itertools import count
from random import Random
from typing import Any

from flask import Flask
from tests.people import CODE, PASSWORD, People, bearer

SEEN_LAST = 5
PATIENCE = 50  # looks into the mailbox; who has an account is mailed no code
ENDS_A_SESSION = {"POST /auth/logout"}


class Visitors:
    """Fills in what a generator cannot know, and remembers what the answers gave."""

    def __init__(self, app: Flask, seed: int) -> None:
        self._people = People(app)
        self._client = app.test_client()
        self._chance = Random(seed)
        self._numbers = count(1)
        self._joined: list[str] = []
        self._attempts: dict[str, str] = {}
        self._tokens: deque[str] = deque(maxlen=SEEN_LAST)
        self._join()
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.finds: list[str] = []

    def before_call(self, _context: Any, case: Any, _kwargs: dict[str, Any]) -> None:
        """Come from a network of one's own, and bring what is good where the body is of the right shape."""
        case.headers["X-Forwarded-For"] = str(IPv4Address("198.18.0.0") + next(self._numbers))
        if isinstance(case.body, dict) and _is_positive(case):
            has_id = {"verification_id", "reset_id"} & set(case.body) and self._chance.random() < 0.9
            case.body = {name: value for name, value in case.body.items() if not (has_id and name == "email")}
            for name in sorted(case.body, reverse=True):  # the id of an attempt before its code
                case.body[name] = self._better(case, name, case.body[name])

    def after_call(self, _context: Any, case: Any, response: Any) -> None:
        """Remember who came in, and try whether who went out is out."""
        label = f"{case.method} {case.operation.path}"  # some come with another method than is described
        self.statuses[label, response.status_code] += 1
        if response.status_code == 200 and "json" in "".join(response.headers.get("content-type", [])):
            self._learn(label, case, json.loads(response.content))

    def token(self) -> str:
        """Somebody's, mostly good; now and then somebody new comes."""
        if not self._tokens or self._chance.random() < 0.01:
            self._join()
        return self._tokens[-1] if self._chance.random() < 0.8 else self._chance.choice(self._tokens)

    def _better(self, case: Any, name: str, value: Any) -> Any:
        if self._chance.random() < 0.1:
            return value
        if name == "email":
            return self._address(case.operation.label)
        if name in {"password", "current_password"}:
            return PASSWORD
        return (
            self._code(self._attempts.get(str(case.body.get("verification_id")))) or value if name == "otp" else value
        )

    def _address(self, label: str) -> str:
        if label in {"POST /auth/register", "POST /users/email"} and self._chance.random() < 0.8:
            return f"person{next(self._numbers)}@example.com"
        return self._chance.choice(self._joined[-SEEN_LAST:])

    def _code(self, to: str | None) -> str | None:
        """The newest code that was mailed (to somebody), once it is there."""
        for _ in range(PATIENCE):
            for mail in self._people.mailbox.all():
                if to in {None, mail["to"]} and (found := CODE.search(mail["text"])):
                    return found.group()
            if to is None:
                return None
            time.sleep(0.02)
        return None

    def _learn(self, label: str, case: Any, answer: dict[str, Any]) -> None:
        if label == "POST /auth/register":
            if case.body["email"] not in self._joined:
                self._attempts[answer["verification_id"]] = case.body["email"]
        elif label == "POST /auth/verify" and (email := self._attempts.pop(str(case.body.get("verification_id")), "")):
            self._joined.append(email)
        elif "token" in answer:
            self._tokens.append(answer["token"])
        elif label in ENDS_A_SESSION and (token := case.headers.get("Authorization", "").removeprefix("Bearer ")):
            self._is_out(label, token)

    def _is_out(self, label: str, token: str) -> None:
        if self._client.get("/users/profile", headers=bearer(token)).status_code != 401:
            self.finds.append(f"after {label} its token still opens the profile")
        self._tokens = deque((other for other in self._tokens if other != token), SEEN_LAST)

    def _join(self) -> None:
        address = str(IPv4Address("198.18.0.0") + next(self._numbers))
        person = self._people.joined(f"joined{next(self._numbers)}@example.com", at=address)
        self._joined.append(person.email)
        self._tokens.append(person.signed_in(at=address)["token"])


def _is_positive(case: Any) -> bool:
    return case.meta is None or case.meta.generation.mode.is_positive
