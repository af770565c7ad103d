"""What somebody does who joins: ask, read the mail, bring the code to a door."""

import math
from dataclasses import dataclass
from itertools import count
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.inside import refused, within
from tests.people import HERE, People, code_of, form, network
from werkzeug.test import TestResponse

from flaskauth.accounts.addresses import parse
from flaskauth.codes import service as codes
from flaskauth.foundation import crypto

WRONG = (401, "wrong_code")
SPENT = (429, "too_many_requests")
CONTESTED = (409, "verification_contested")
NOT_IT = "BBBB-BBBB"  # one code in 280,000,000,000 is this one
GRACE_AT = "grace@example.com"
DOORS = ("by id", "by email", "alone")

_hosts = count(1)


@dataclass(frozen=True)
class Attempt:
    """An attempt to join whose mail was read."""

    id: str
    code: str
    email: str = GRACE_AT

    def door(self, name: str) -> dict[str, str]:
        """What stands beside the code when it is brought to this door."""
        return {"by id": {"verification_id": self.id}, "by email": {"email": self.email}, "alone": {}}[name]


def elsewhere() -> str:
    """A network that nobody has asked from yet."""
    number = next(_hosts)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def attempt(people: People, email: str = GRACE_AT, at: str = HERE, **changes: str) -> Attempt:
    """Somebody registers and reads the mail."""
    to = parse(email).typed
    already = len([mail for mail in people.mailbox.all() if mail["to"] == to])
    verification_id = people.pending(email, at, **changes)
    return Attempt(verification_id, code_of(people.mailbox.wait(already + 1, to=to)[0]), email)


def register(client: FlaskClient, email: str = GRACE_AT, at: str = HERE, **changes: Any) -> TestResponse:
    return client.post("/auth/register", json=form(email, **changes), headers=network(at))


def errors_of(client: FlaskClient, **changes: Any) -> dict[str, list[str]]:
    """What is wrong with the fields, when that is why somebody cannot join."""
    answer = register(client, changes.pop("email", GRACE_AT), elsewhere(), **changes)
    assert refused(answer) == (422, "invalid_input"), changes
    errors: dict[str, list[str]] = answer.get_json()["errors"]
    return errors


def verify(client: FlaskClient, otp: str, at: str = HERE, **door: str) -> TestResponse:
    return client.post("/auth/verify", json={"otp": otp, **door}, headers=network(at))


def resend(client: FlaskClient, at: str = HERE, **door: str) -> int:
    """Ask for the code again; the seconds to wait, to the next 5: a slow machine has waited some of them already."""
    answer = client.post("/auth/resend", json=door, headers=network(at))
    assert answer.status_code == 200, answer.text
    wait: int = answer.get_json()["retry_after"]
    return math.ceil(wait / 5) * 5


def code_behind(app: Flask, verification_id: str) -> str:
    """The code that an attempt stands for, mailed or not."""
    return within(app, lambda: codes.shown(crypto.decode(verification_id)))


def wrong_tries(client: FlaskClient, times: int, at: str = HERE, **door: str) -> list[int]:
    """Bring wrong codes; the statuses."""
    return [verify(client, NOT_IT, at, **door).status_code for _ in range(times)]
