"""What somebody does who wants another address: ask, read both mails, bring the code."""

import re
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.people import HERE, PASSWORD, Mailbox, People, bearer, code_of, network
from tests.registration.asking import GRACE_AT
from tests.sessions.holding import Holder
from tests.tables import settle
from werkzeug.test import TestResponse

NEW_AT = "hopper@example.org"
LINK = re.compile(r"^http://localhost:5000(/auth/(?:undo|disown))#([\w-]{43})$", re.MULTILINE)
OVER = (401, "invalid_token")


@dataclass(frozen=True)
class Link:
    """A link from a mail: where its page is, and what stands after #."""

    path: str
    token: str

    def followed(self, client: FlaskClient, at: str = HERE) -> TestResponse:
        """Press the button of its page."""
        return client.post(self.path, json={"token": self.token}, headers=network(at))


def link_of(mail: dict[str, Any]) -> Link:
    """The link that a mail carries, in both of its parts."""
    found = LINK.search(mail["text"])
    assert found, mail["text"]
    assert f'href="{found.group()}"' in mail["html"]
    return Link(*found.groups())


def ask(client: FlaskClient, token: str, email: str = NEW_AT, at: str = HERE) -> TestResponse:
    return client.post("/users/email", json={"email": email}, headers={**bearer(token), **network(at)})


def prove(client: FlaskClient, token: str, otp: str, at: str = HERE) -> TestResponse:
    return client.post("/users/email/verify", json={"otp": otp}, headers={**bearer(token), **network(at)})


@dataclass(frozen=True)
class Change:
    """A change that was asked for, and what its mails carried."""

    holder: Holder
    code: str
    undo: Link
    email: str

    @classmethod
    def asked(cls, app: Flask, holder: Holder, email: str = NEW_AT, old: str = GRACE_AT) -> "Change":
        assert ask(holder.client, holder.token, email).status_code == 200
        settle(app)
        mailbox = Mailbox(app)
        notice = next(mail for mail in mailbox.wait(to=old) if "/auth/undo#" in mail["text"])
        return cls(holder, code_of(mailbox.wait(to=email)[0]), link_of(notice), email)

    def proven(self) -> TestResponse:
        return prove(self.holder.client, self.holder.token, self.code)


def moved(app: Flask, email: str = NEW_AT, old: str = GRACE_AT) -> Change:
    """Somebody joined and changed the address."""
    change = Change.asked(app, Holder.of(app, old), email, old)
    assert change.proven().status_code == 200
    return change


def signs_in(people: People, email: str, password: str = PASSWORD) -> int:
    body = {"email": email, "password": password}
    return people.client.post("/auth/login", json=body, headers=network(HERE)).status_code
