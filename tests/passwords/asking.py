"""What somebody does who forgot a password, or wants another: ask, read the mail, bring the code."""

from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from tests.people import HERE, People, bearer, code_of, network
from tests.registration.asking import GRACE_AT, NOT_IT
from tests.tables import settle
from werkzeug.test import TestResponse

NEW = "nine purple umbrellas"
WEAK = (422, "weak_password")
DOORS = ("by id", "by email")


@dataclass(frozen=True)
class Asked:
    """A reset whose mail was read."""

    id: str
    code: str
    email: str = GRACE_AT

    def door(self, name: str) -> dict[str, str]:
        """What stands beside the code when it is brought to this door."""
        return {"by id": {"reset_id": self.id}, "by email": {"email": self.email}}[name]


def forgot(client: FlaskClient, email: str = GRACE_AT, at: str = HERE) -> TestResponse:
    return client.post("/auth/forgot-password", json={"email": email}, headers=network(at))


def asked_for(people: People, email: str = GRACE_AT, at: str = HERE) -> Asked:
    """Somebody with an account forgot the password, asks for a code and reads it."""
    settle(people.client.application)
    already = len([mail for mail in people.mailbox.all() if mail["to"] == email])
    answer = forgot(people.client, email, at)
    assert answer.status_code == 200, answer.text
    return Asked(answer.get_json()["reset_id"], code_of(people.mailbox.wait(already + 1, to=email)[0]), email)


def reset(client: FlaskClient, otp: str, at: str = HERE, password: str = NEW, **door: str) -> TestResponse:
    body = {"otp": otp, "password": password, **door}
    return client.post("/auth/reset-password", json=body, headers=network(at))


def wrong_tries(client: FlaskClient, times: int, at: str = HERE, **door: str) -> list[int]:
    """Bring wrong codes; the statuses."""
    return [reset(client, NOT_IT, at, **door).status_code for _ in range(times)]


def change(client: FlaskClient, token: str, current: str, password: str = NEW, at: str = HERE) -> TestResponse:
    body: dict[str, Any] = {"current_password": current, "password": password}
    return client.post("/auth/change-password", json=body, headers={**bearer(token), **network(at)})
