"""Helpers that request a password reset, read the mail, and reset or change a password."""

from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from tests.registration.helpers import GRACE_EMAIL, WRONG_CODE
from tests.support.db_snapshot import wait_for_outbox
from tests.support.users import CLIENT_IP, UserFactory, bearer, code_in_mail, forwarded_for
from werkzeug.test import TestResponse

NEW_PASSWORD = "nine purple umbrellas"
WEAK_PASSWORD = (422, "weak_password")
RESET_METHODS = ("by id", "by email")


@dataclass(frozen=True)
class ResetRequest:
    """A password reset whose mail has been read."""

    id: str
    code: str
    email: str = GRACE_EMAIL

    def identifier(self, name: str) -> dict[str, str]:
        """Return the field that accompanies the code in this verification method."""
        return {"by id": {"reset_id": self.id}, "by email": {"email": self.email}}[name]


def forgot_password(client: FlaskClient, email: str = GRACE_EMAIL, at: str = CLIENT_IP) -> TestResponse:
    return client.post("/auth/forgot-password", json={"email": email}, headers=forwarded_for(at))


def request_reset(users: UserFactory, email: str = GRACE_EMAIL, at: str = CLIENT_IP) -> ResetRequest:
    """Request a reset for an existing account, wait for the mail and return the reset."""
    wait_for_outbox(users.client.application)
    mails_before = len([mail for mail in users.mailbox.all() if mail["to"] == email])
    response = forgot_password(users.client, email, at)
    assert response.status_code == 200, response.text
    return ResetRequest(
        response.get_json()["reset_id"], code_in_mail(users.mailbox.wait(mails_before + 1, to=email)[0]), email
    )


def reset_password(
    client: FlaskClient, otp: str, at: str = CLIENT_IP, password: str = NEW_PASSWORD, **identifier: str
) -> TestResponse:
    body = {"otp": otp, "password": password, **identifier}
    return client.post("/auth/reset-password", json=body, headers=forwarded_for(at))


def submit_wrong_reset_codes(client: FlaskClient, times: int, at: str = CLIENT_IP, **identifier: str) -> list[int]:
    """Submit wrong codes and return the status codes."""
    return [reset_password(client, WRONG_CODE, at, **identifier).status_code for _ in range(times)]


def change_password(
    client: FlaskClient, token: str, current: str, password: str = NEW_PASSWORD, at: str = CLIENT_IP
) -> TestResponse:
    body: dict[str, Any] = {"current_password": current, "password": password}
    return client.post("/auth/change-password", json=body, headers={**bearer(token), **forwarded_for(at)})
