"""People as tests play them: they register, read their mail, sign in, from one network or another."""

import re
import time
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PASSWORD = "seven green kettles"
GRACE = {"email": "grace@example.com", "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper"}
CODE = re.compile(r"^[B-Z2-9]{4}-[B-Z2-9]{4}$", re.MULTILINE)
HERE, THERE, ELSEWHERE = "198.51.100.7", "203.0.113.9", "192.0.2.44"


def form(email: str = "grace@example.com", **changes: str) -> dict[str, str]:
    """What somebody sends to join."""
    return {**GRACE, "email": email, **changes}


def network(address: str) -> dict[str, str]:
    """Headers of a request that comes from this address."""
    return {"X-Forwarded-For": address}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def code_of(mail: dict[str, Any]) -> str:
    """The code that a mail carries."""
    found = CODE.search(mail["text"])
    assert found, mail["text"]
    return found.group()


class Mailbox:
    """The development mailbox, read over HTTP."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()

    def all(self) -> list[dict[str, Any]]:
        """Every mail, newest first."""
        mails: list[dict[str, Any]] = self.client.get("/dev/mailbox.json").get_json()["mails"]
        return mails

    def wait(self, count: int = 1, to: str | None = None) -> list[dict[str, Any]]:
        """At least so many mails (to somebody), newest first."""
        for _ in range(200):
            mails = [mail for mail in self.all() if to in (None, mail["to"])]
            if len(mails) >= count:
                return mails
            time.sleep(0.02)
        raise AssertionError(f"{len(mails)} mails instead of {count}")

    def code(self, to: str) -> str:
        """The code of the newest mail to this address."""
        return code_of(self.wait(to=to)[0])


@dataclass
class Person:
    """Somebody with an account."""

    client: FlaskClient
    email: str
    password: str = PASSWORD

    def sign_in(self, password: str | None = None, at: str = HERE, **more: Any) -> TestResponse:
        body = {"email": self.email, "password": password or self.password, **more}
        return self.client.post("/auth/login", json=body, headers=network(at))

    def signed_in(self, at: str = HERE) -> dict[str, Any]:
        answer = self.sign_in(at=at)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.get_json()
        return body


class People:
    """Makes people, over HTTP."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()
        self.mailbox = Mailbox(app)

    def pending(self, email: str = "grace@example.com", at: str = HERE, **changes: str) -> str:
        """Somebody who registered; the verification id."""
        answer = self.client.post("/auth/register", json=form(email, **changes), headers=network(at))
        assert answer.status_code == 200, answer.text
        found: str = answer.get_json()["verification_id"]
        return found

    def joined(self, email: str = "grace@example.com", at: str = HERE, **changes: str) -> Person:
        """Somebody who has proven the address."""
        verification_id = self.pending(email, at, **changes)
        body = {"otp": self.mailbox.code(email), "verification_id": verification_id}
        answer = self.client.post("/auth/verify", json=body, headers=network(at))
        assert answer.status_code == 200, answer.text
        return Person(self.client, email, changes.get("password", PASSWORD))
