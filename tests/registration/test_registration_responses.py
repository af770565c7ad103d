"""Messages, error codes and response fields of registration, verification and resend."""

import base64
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.registration.helpers import (
    GRACE_EMAIL,
    INVALID_CODE,
    VERIFICATION_METHODS,
    WRONG_CODE,
    register,
    start_registration,
    verify,
)
from tests.support.inspect import error_of, single_event
from tests.support.users import OTHER_IP, Mailbox, UserFactory, registration_form

from flaskauth.core import clock

SUCCESS = {"status": "Success", "success": True}
INVALID_OTP_MESSAGE = "Failed to verify account, Invalid OTP Code"


def test_register_returns_random_verification_id(app: Flask, client: FlaskClient) -> None:
    response = register(client)
    body = response.get_json()

    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert len(base64.urlsafe_b64decode(body.pop("verification_id") + "==")) == 16
    assert body == {
        **SUCCESS,
        "message": "Registration Successful, check your email for OTP code to verify your account",
    }
    single_event(app, "registration_started")


def test_verification_mail_contains_code_and_request_details(users: UserFactory, mailbox: Mailbox) -> None:
    before = clock.now()
    registration = start_registration(users, at=OTHER_IP)
    [mail] = mailbox.all()

    assert (mail["to"], mail["subject"]) == (GRACE_EMAIL, f"Account Verification on Flaskauth: {registration.code}")
    assert registration.code in mail["text"].splitlines()
    assert registration.code in mail["html"]
    for detail in ("Grace Hopper", OTHER_IP, before.strftime("%Y-%m-%d %H:")):
        assert detail in mail["text"], detail


@pytest.mark.parametrize("method", VERIFICATION_METHODS)
def test_verify_with_valid_code_creates_account(app: Flask, users: UserFactory, method: str) -> None:
    registration = start_registration(users)
    response = verify(users.client, registration.code, **registration.identifier(method))

    assert response.status_code == 200
    assert response.get_json() == {**SUCCESS, "message": "Verification Successful! Login to your account"}
    assert single_event(app, "account_created").user_id


@pytest.mark.parametrize("method", VERIFICATION_METHODS)
def test_verify_with_wrong_code_is_rejected(app: Flask, users: UserFactory, method: str) -> None:
    registration = start_registration(users)
    response = verify(users.client, WRONG_CODE, **registration.identifier(method))

    assert error_of(response) == INVALID_CODE
    assert set(response.get_json()) == {"status", "success", "message", "code", "request_id"}
    assert response.get_json()["message"] == INVALID_OTP_MESSAGE
    assert single_event(app, "invalid_code").details == {"purpose": "registration"}


@pytest.mark.usefixtures("stopped_clock")
def test_resend_returns_retry_after(client: FlaskClient) -> None:
    verification_id = register(client).get_json()["verification_id"]
    body = client.post("/auth/resend", json={"verification_id": verification_id}).get_json()

    assert body == {**SUCCESS, "message": "If a resend is due, the code will be sent by email", "retry_after": 60}


def test_verify_with_used_code_is_rejected(users: UserFactory) -> None:
    registration = start_registration(users)
    assert verify(users.client, registration.code, verification_id=registration.id).status_code == 200

    assert [
        error_of(verify(users.client, registration.code, **registration.identifier(method)))
        for method in VERIFICATION_METHODS
    ] == [INVALID_CODE] * 3


def test_verify_with_expired_code_is_rejected(users: UserFactory) -> None:
    registration = start_registration(users)
    clock.travel(timedelta(minutes=10))

    assert [
        error_of(verify(users.client, registration.code, **registration.identifier(method)))
        for method in VERIFICATION_METHODS
    ] == [INVALID_CODE] * 3


def test_verify_with_code_of_other_user_is_rejected(users: UserFactory) -> None:
    registration, other_registration = start_registration(users), start_registration(users, "ada@example.com")

    for method in ("by id", "by email"):
        assert (
            error_of(verify(users.client, registration.code, **other_registration.identifier(method))) == INVALID_CODE
        )
    assert verify(users.client, registration.code, **registration.identifier("by id")).status_code == 200


def test_verify_with_unknown_id_is_rejected(users: UserFactory) -> None:
    registration = start_registration(users)

    for unknown in ("A" * 22, "AAAA", "not base64!", registration.id + "A"):
        assert error_of(verify(users.client, registration.code, verification_id=unknown)) == INVALID_CODE


def test_verify_and_resend_require_one_identifier(client: FlaskClient) -> None:
    identifiers = {"verification_id": "A" * 22, "email": GRACE_EMAIL}

    for path, body in (
        ("/auth/verify", {"otp": WRONG_CODE, **identifiers}),
        ("/auth/resend", identifiers),
        ("/auth/resend", {}),
    ):
        response = client.post(path, json=body)
        assert error_of(response) == (422, "validation_failed")
        assert list(response.get_json()["errors"]) == ["verification_id"]


def test_verify_creates_account_with_registered_data(users: UserFactory) -> None:
    ada = {"first_name": "Ada", "last_name": "Lovelace", "country": "gb"}
    registration = start_registration(users, "ada@example.com", **ada)
    verify(users.client, registration.code, verification_id=registration.id)
    body = {"email": registration.email, "password": registration_form()["password"]}
    user = users.client.post("/auth/login", json=body).get_json()["user"]

    assert (user["first_name"], user["last_name"], user["is_verified"]) == ("Ada", "Lovelace", True)
    assert (user["country_id"], user["country"]["code"]) == (826, "GB")
