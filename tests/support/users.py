"""Users in tests: they register, read their mail and log in over HTTP, from different networks."""

import re
import time
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from tests.support import user_template
from werkzeug.test import TestResponse

from flaskauth.core.db.session import db
from flaskauth.mail.models import QUEUED, OutboxMail

PASSWORD = "seven green kettles"
GRACE = {"email": "grace@example.com", "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper"}
CODE_PATTERN = re.compile(r"^[B-Z2-9]{4}-[B-Z2-9]{4}$", re.MULTILINE)
CLIENT_IP, OTHER_IP, THIRD_IP = "198.51.100.7", "203.0.113.9", "192.0.2.44"


def registration_form(email: str = "grace@example.com", **changes: str) -> dict[str, str]:
    """Return the body of POST /auth/register."""
    return {**GRACE, "email": email, **changes}


def forwarded_for(address: str) -> dict[str, str]:
    """Return headers for a request from this client IP. Tests trust 127.0.0.1 as a proxy."""
    return {"X-Forwarded-For": address}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def code_in_mail(mail: dict[str, Any]) -> str:
    """Return the one-time code in the text part of a mail."""
    match = CODE_PATTERN.search(mail["text"])
    assert match, mail["text"]
    return match.group()


class Mailbox:
    """The development mailbox, read over HTTP."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client = app.test_client()

    def all(self) -> list[dict[str, Any]]:
        """Return every mail, newest first."""
        mails: list[dict[str, Any]] = self.client.get("/dev/mailbox.json").get_json()["mails"]
        return mails

    def wait(self, count: int = 1, to: str | None = None) -> list[dict[str, Any]]:
        """Wait up to 30 seconds for this number of mails (to one recipient), and return them, newest first."""
        self._wait_for_delivery(0.5)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            mails = [mail for mail in self.all() if to in (None, mail["to"])]
            if len(mails) >= count:
                return mails
            time.sleep(0.01)
        raise AssertionError(f"{len(mails)} mails instead of {count}")

    def _wait_for_delivery(self, seconds: float) -> None:
        """Wait until no mail is queued. To read the mailbox, which renders all mails, takes longer than to count
        them."""
        queued = select(func.count()).select_from(OutboxMail).where(OutboxMail.state == QUEUED)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self.app.app_context():
                if not db.session.scalar(queued):
                    return
            time.sleep(0.003)

    def code(self, to: str) -> str:
        """Return the code of the newest mail to this email address."""
        self._wait_for_delivery(30)  # on a slow machine too, the newest mail is not that of an earlier request
        return code_in_mail(self.wait(to=to)[0])


@dataclass
class TestUser:
    """A user with an account."""

    __test__ = False  # pytest collects classes whose names begin with Test

    client: FlaskClient
    email: str
    password: str = PASSWORD

    def login(self, password: str | None = None, at: str = CLIENT_IP, **more: Any) -> TestResponse:
        body = {"email": self.email, "password": password or self.password, **more}
        return self.client.post("/auth/login", json=body, headers=forwarded_for(at))

    def login_ok(self, at: str = CLIENT_IP) -> dict[str, Any]:
        response = self.login(at=at)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.get_json()
        return body


class UserFactory:
    """Create users over HTTP."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()
        self.mailbox = Mailbox(app)

    def register(self, email: str = "grace@example.com", at: str = CLIENT_IP, **changes: str) -> str:
        """Register, and return the verification id."""
        response = self.client.post(
            "/auth/register", json=registration_form(email, **changes), headers=forwarded_for(at)
        )
        assert response.status_code == 200, response.text
        verification_id: str = response.get_json()["verification_id"]
        return verification_id

    def create_verified(self, email: str = "grace@example.com", at: str = CLIENT_IP, **changes: str) -> TestUser:
        """Register, verify the email address and return the user. The first of a test may come from a template."""
        is_like_template = (email, at, changes) == (GRACE["email"], CLIENT_IP, {})
        is_first = is_like_template and user_template.is_usable(self.mailbox.app)
        if not (is_first and user_template.write(self.mailbox.app)):
            self._register_and_verify(email, at, changes)
            if is_first:
                user_template.save(self.mailbox.app)
        return TestUser(self.client, email, changes.get("password", PASSWORD))

    def _register_and_verify(self, email: str, at: str, changes: dict[str, str]) -> None:
        verification_id = self.register(email, at, **changes)
        body = {"otp": self.mailbox.code(email), "verification_id": verification_id}
        response = self.client.post("/auth/verify", json=body, headers=forwarded_for(at))
        assert response.status_code == 200, response.text
