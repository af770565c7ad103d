"""Somebody who guesses passwords, from one network or several."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from flask import Flask
from sqlalchemy import update
from tests.inside import change, within
from tests.people import network
from werkzeug.test import TestResponse

from flaskauth.login import budgets
from flaskauth.login.budgets import Asked
from flaskauth.throttles.models import Budget

WRONG = "not the password"
SAME_ID = {"X-Request-ID": "the-same"}
HELD = (429, "too_many_requests")
WRONG_ONE = (401, "wrong_credentials")

_hosts = count(1)


def strange_network() -> str:
    """An address that nobody has used yet."""
    number = next(_hosts)
    return f"203.0.{number // 200 % 250}.{number % 200 + 1}"


@dataclass
class Guesser:
    """Tries passwords of one address; each answer can be compared byte by byte with another's."""

    app: Flask
    email: str = "grace@example.com"
    at: str = field(default_factory=strange_network)

    def tries(self, password: str = WRONG, at: str | None = None, **more: Any) -> TestResponse:
        body = {"email": self.email, "password": password, **more}
        headers = {**network(at or self.at), **SAME_ID}
        return self.app.test_client().post("/auth/login", json=body, headers=headers)

    def fails(self, times: int, at: str | None = None, **more: Any) -> list[int]:
        """Wrong passwords; the statuses."""
        return [self.tries(at=at, **more).status_code for _ in range(times)]

    def has_failed(self, times: int, at: str | None = None) -> None:
        """As if so many wrong passwords had come before, without the work of comparing them."""
        asked = Asked(self.email, at or self.at)
        within(self.app, lambda: [budgets.count(asked, is_flood=False) for _ in range(times)])

    def makes_the_address_wait(self) -> None:
        """10 wrong passwords from two networks."""
        for _ in range(2):
            self.has_failed(5, at=strange_network())

    def has_failed_in_a_row(self, times: int) -> None:
        """Over so long a time that only the row has not forgotten."""
        self.has_failed(1, at=strange_network())
        row = update(Budget).where(Budget.key == budgets._key("row", self.email))
        change(self.app, row.values(spent=times))
