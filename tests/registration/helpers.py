"""Helpers that register a user, read the verification mail and submit codes."""

import math
from dataclasses import dataclass
from itertools import count
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.support.inspect import error_of, in_transaction
from tests.support.users import CLIENT_IP, UserFactory, code_in_mail, forwarded_for, registration_form
from werkzeug.test import TestResponse

from flaskauth.core import crypto
from flaskauth.core.email_addresses import parse
from flaskauth.one_time_codes import service as codes

INVALID_CODE = (401, "invalid_code")
ATTEMPTS_EXHAUSTED = (429, "too_many_requests")
VERIFICATION_AMBIGUOUS = (409, "verification_ambiguous")
WRONG_CODE = "BBBB-BBBB"  # one code in 280,000,000,000 is this one
GRACE_EMAIL = "grace@example.com"
VERIFICATION_METHODS = ("by id", "by email", "by code")

_hosts = count(1)


@dataclass(frozen=True)
class PendingRegistration:
    """A registration whose verification mail has been read."""

    id: str
    code: str
    email: str = GRACE_EMAIL

    def identifier(self, name: str) -> dict[str, str]:
        """Return the field that accompanies the code in this verification method."""
        return {"by id": {"verification_id": self.id}, "by email": {"email": self.email}, "by code": {}}[name]


def unused_ip() -> str:
    """Return an IP address from 10.0.0.0/8 that no test has used yet."""
    number = next(_hosts)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def start_registration(
    users: UserFactory, email: str = GRACE_EMAIL, at: str = CLIENT_IP, **changes: str
) -> PendingRegistration:
    """Register, wait for the verification mail and return the pending registration."""
    to = parse(email).original
    mails_before = len([mail for mail in users.mailbox.all() if mail["to"] == to])
    verification_id = users.register(email, at, **changes)
    return PendingRegistration(verification_id, code_in_mail(users.mailbox.wait(mails_before + 1, to=to)[0]), email)


def register(client: FlaskClient, email: str = GRACE_EMAIL, at: str = CLIENT_IP, **changes: Any) -> TestResponse:
    return client.post("/auth/register", json=registration_form(email, **changes), headers=forwarded_for(at))


def registration_errors(client: FlaskClient, **changes: Any) -> dict[str, list[str]]:
    """Return the validation errors of a registration request that must fail with 422."""
    response = register(client, changes.pop("email", GRACE_EMAIL), unused_ip(), **changes)
    assert error_of(response) == (422, "validation_failed"), changes
    errors: dict[str, list[str]] = response.get_json()["errors"]
    return errors


def verify(client: FlaskClient, otp: str, at: str = CLIENT_IP, **identifier: str) -> TestResponse:
    return client.post("/auth/verify", json={"otp": otp, **identifier}, headers=forwarded_for(at))


def resend(client: FlaskClient, at: str = CLIENT_IP, **identifier: str) -> int:
    """Request a resend and return the wait in seconds, rounded up to 5 so that slow test runs compare equal."""
    response = client.post("/auth/resend", json=identifier, headers=forwarded_for(at))
    assert response.status_code == 200, response.text
    seconds: int = response.get_json()["retry_after"]
    return math.ceil(seconds / 5) * 5


def code_for_id(app: Flask, verification_id: str) -> str:
    """Return the code of a registration, whether or not it was mailed."""
    return in_transaction(app, lambda: codes.past_code(crypto.base64url_decode(verification_id)))


def submit_wrong_codes(client: FlaskClient, times: int, at: str = CLIENT_IP, **identifier: str) -> list[int]:
    """Submit wrong codes and return the status codes."""
    return [verify(client, WRONG_CODE, at, **identifier).status_code for _ in range(times)]
