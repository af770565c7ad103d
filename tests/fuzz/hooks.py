"""Schemathesis hooks that fill in existing email addresses, passwords and codes, most of the time."""

import json
import time
from collections import Counter, deque
from ipaddress import IPv4Address
from itertools import count
from random import Random
from typing import Any

from flask import Flask
from tests.support.users import CODE_PATTERN, PASSWORD, UserFactory, bearer

REMEMBERED = 5
MAX_MAILBOX_READS = 50  # reads the mailbox; registered users are mailed no code
LOGOUT_CALLS = {"POST /auth/logout"}
APP_CODE_CALLS = {  # their codes come from an authenticator app, not from a mail
    *("POST /auth/second-factor", "POST /auth/reauthenticate", "POST /users/factors/totp/{factor_id}/confirm"),
}


class FuzzHooks:
    """Fills in values that a generator cannot know, and stores values of responses."""

    def __init__(self, app: Flask, seed: int) -> None:
        self._users = UserFactory(app)
        self._client = app.test_client()
        self._random = Random(seed)
        self._numbers = count(1)
        self._emails: list[str] = []
        self._registrations: dict[str, str] = {}
        self._codes: dict[str, str] = {}  # email address -> newest code, the newest last
        self._tokens: deque[str] = deque(maxlen=REMEMBERED)
        self._create_user()
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.findings: list[str] = []

    def before_call(self, _context: Any, case: Any, _kwargs: dict[str, Any]) -> None:
        """Use a new IP, and fill in valid values if the body has the right shape."""
        case.headers["X-Forwarded-For"] = str(IPv4Address("198.18.0.0") + next(self._numbers))
        if isinstance(case.body, dict) and _is_positive(case):
            has_id = {"verification_id", "reset_id"} & set(case.body) and self._random.random() < 0.9
            case.body = {name: value for name, value in case.body.items() if not (has_id and name == "email")}
            for name in sorted(case.body, reverse=True):  # the id of a registration before its code
                case.body[name] = self._valid_value(case, name, case.body[name])

    def after_call(self, _context: Any, case: Any, response: Any) -> None:
        """Store users that signed in, and check that revoked tokens are rejected."""
        label = f"{case.method} {case.operation.path}"  # calls with an undocumented method
        self.statuses[label, response.status_code] += 1
        if response.status_code == 200 and "json" in "".join(response.headers.get("content-type", [])):
            self._remember(label, case, json.loads(response.content))

    def token(self) -> str:
        """Return an access token, mostly of an existing user, sometimes of a new one."""
        if not self._tokens or self._random.random() < 0.01:
            self._create_user()
        return self._tokens[-1] if self._random.random() < 0.8 else self._random.choice(self._tokens)

    def _valid_value(self, case: Any, name: str, value: Any) -> Any:
        if self._random.random() < 0.1:
            return value
        if name == "email":
            return self._choose_email(case.operation.label)
        if name in {"password", "current_password"}:
            return PASSWORD
        if name == "verification_id" and self._registrations and value not in self._registrations:
            return self._random.choice([*self._registrations])
        if name == "otp" and case.operation.label not in APP_CODE_CALLS:
            return self._find_code(self._registrations.get(str(case.body.get("verification_id")))) or value
        return value

    def _choose_email(self, label: str) -> str:
        if label in {"POST /auth/register", "POST /users/email"} and self._random.random() < 0.8:
            return f"user{next(self._numbers)}@example.com"
        return self._random.choice(self._emails[-REMEMBERED:])

    def _find_code(self, to: str | None) -> str | None:
        """Wait for the newest mailed code (of an address) and return it."""
        for _ in range(MAX_MAILBOX_READS):
            self._read_mailbox()
            if to is None:
                return next(reversed(self._codes.values()), None)
            if to in self._codes:
                return self._codes[to]
            time.sleep(0.02)
        return None

    def _read_mailbox(self) -> None:
        """Store the mailed codes, and delete the mails, because each read of the mailbox renders all mails in it."""
        for mail in reversed(self._users.mailbox.all()):
            if match := CODE_PATTERN.search(mail["text"]):
                self._codes.pop(mail["to"], None)
                self._codes[mail["to"]] = match.group()
            self._client.delete(f"/dev/mailbox/{mail['id']}")

    def _remember(self, label: str, case: Any, response: dict[str, Any]) -> None:
        if label == "POST /auth/register":
            if case.body["email"] not in self._emails:
                self._registrations[response["verification_id"]] = case.body["email"]
        elif label == "POST /auth/verify" and (
            email := self._registrations.pop(str(case.body.get("verification_id")), "")
        ):
            self._emails.append(email)
        elif "token" in response:
            self._tokens.append(response["token"])
        elif label in LOGOUT_CALLS and (token := case.headers.get("Authorization", "").removeprefix("Bearer ")):
            self._check_revoked(label, token)

    def _check_revoked(self, label: str, token: str) -> None:
        if self._client.get("/users/profile", headers=bearer(token)).status_code != 401:
            self.findings.append(f"after {label} its token still opens the profile")
        self._tokens = deque((other for other in self._tokens if other != token), REMEMBERED)

    def _create_user(self) -> None:
        client_ip = str(IPv4Address("198.18.0.0") + next(self._numbers))
        user = self._users.create_verified(f"registered{next(self._numbers)}@example.com", at=client_ip)
        self._emails.append(user.email)
        self._tokens.append(user.login_ok(at=client_ip)["token"])


def _is_positive(case: Any) -> bool:
    return case.meta is None or case.meta.generation.mode.is_positive
