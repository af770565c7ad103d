"""Password reset with a mailed code: responses, single use, expiry and the password policy."""

import base64
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from tests.passwords.helpers import (
    NEW_PASSWORD,
    RESET_METHODS,
    WEAK_PASSWORD,
    forgot_password,
    request_reset,
    reset_password,
)
from tests.registration.helpers import GRACE_EMAIL, INVALID_CODE, WRONG_CODE, code_for_id, start_registration, verify
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import audit_events, error_of, execute_statement, query_all, single_event
from tests.support.users import OTHER_IP, PASSWORD, Mailbox, UserFactory

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.mail.models import DISCARDED, OutboxMail

SUCCESS = {"status": "Success", "success": True}


def test_forgot_password_returns_random_reset_id(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    response = forgot_password(users.client)
    body = response.get_json()

    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert len(base64.urlsafe_b64decode(body.pop("reset_id") + "==")) == 16
    assert body == {**SUCCESS, "message": "If this email address has an account, a reset code will be sent"}
    [user_id] = query_all(app, select(User.id))
    assert single_event(app, "reset_requested").user_id == user_id


def test_reset_mail_contains_code_and_request_details(users: UserFactory, mailbox: Mailbox) -> None:
    users.create_verified()
    before = clock.now()
    reset = request_reset(users, at=OTHER_IP)
    mail = mailbox.all()[0]

    assert (mail["to"], mail["subject"]) == (GRACE_EMAIL, f"Reset your password on flaskauth: {reset.code}")
    assert reset.code in mail["text"].splitlines()
    assert reset.code in mail["html"]
    for detail in (OTHER_IP, before.strftime("%Y-%m-%d %H:"), "valid for 10 minutes"):
        assert detail in mail["text"], detail


@pytest.mark.parametrize("method", RESET_METHODS)
def test_reset_with_valid_code_sets_new_password(app: Flask, users: UserFactory, method: str) -> None:
    grace = users.create_verified()
    reset = request_reset(users)
    response = reset_password(users.client, reset.code, **reset.identifier(method))

    assert (response.status_code, response.get_json()) == (200, {**SUCCESS, "message": "Your password was changed"})
    assert (grace.login(PASSWORD).status_code, grace.login(NEW_PASSWORD).status_code) == (401, 200)
    assert single_event(app, "password_reset").user_id == single_event(app, "account_created").user_id


def test_reset_to_current_password_is_allowed(users: UserFactory) -> None:
    grace = users.create_verified()
    reset = request_reset(users)

    assert reset_password(users.client, reset.code, password=PASSWORD, reset_id=reset.id).status_code == 200
    assert grace.login(PASSWORD).status_code == 200


@pytest.mark.parametrize("method", RESET_METHODS)
def test_reset_with_wrong_code_is_rejected(app: Flask, users: UserFactory, method: str) -> None:
    grace = users.create_verified()
    reset = request_reset(users)
    response = reset_password(users.client, WRONG_CODE, **reset.identifier(method))

    assert error_of(response) == INVALID_CODE
    assert "request a new one" in response.get_json()["message"]
    assert single_event(app, "invalid_code").details == {"purpose": "reset"}
    assert (grace.login(PASSWORD).status_code, grace.login(NEW_PASSWORD).status_code) == (200, 401)


@pytest.mark.parametrize("method", RESET_METHODS)
def test_reset_code_is_single_use_and_expires(users: UserFactory, method: str) -> None:
    users.create_verified()
    used = request_reset(users)
    assert reset_password(users.client, used.code, **used.identifier(method)).status_code == 200
    assert error_of(reset_password(users.client, used.code, **used.identifier(method))) == INVALID_CODE

    expired = request_reset(users)
    clock.travel(timedelta(minutes=10))
    assert error_of(reset_password(users.client, expired.code, **expired.identifier(method))) == INVALID_CODE


@pytest.mark.parametrize("method", RESET_METHODS)
def test_used_reset_code_revokes_all_others(users: UserFactory, method: str) -> None:
    users.create_verified()
    older, used, newer = request_reset(users), request_reset(users, at=OTHER_IP), request_reset(users)
    assert reset_password(users.client, used.code, **used.identifier(method)).status_code == 200

    for other in (older, newer):
        assert [
            error_of(reset_password(users.client, other.code, **other.identifier(other_method)))
            for other_method in RESET_METHODS
        ] == [INVALID_CODE] * 2


def test_reset_with_code_of_other_user_is_rejected(users: UserFactory) -> None:
    users.create_verified()
    ada = users.create_verified("ada@example.com", OTHER_IP)
    reset, other_reset = request_reset(users), request_reset(users, ada.email, OTHER_IP)

    for method in RESET_METHODS:
        assert error_of(reset_password(users.client, reset.code, **other_reset.identifier(method))) == INVALID_CODE
    assert ada.login(PASSWORD).status_code == 200


def test_reset_and_registration_codes_are_not_exchangeable(users: UserFactory) -> None:
    users.create_verified()
    reset, registration = request_reset(users), start_registration(users, "ada@example.com")

    assert error_of(verify(users.client, reset.code, verification_id=reset.id)) == INVALID_CODE
    assert error_of(verify(users.client, reset.code)) == INVALID_CODE
    assert error_of(reset_password(users.client, registration.code, reset_id=registration.id)) == INVALID_CODE
    assert error_of(reset_password(users.client, registration.code, email=registration.email)) == INVALID_CODE


def test_reset_requires_exactly_one_identifier(client: FlaskClient) -> None:
    for identifiers in ({}, {"reset_id": "A" * 22, "email": GRACE_EMAIL}):
        response = reset_password(client, WRONG_CODE, **identifiers)
        assert error_of(response) == (422, "validation_failed")
        assert response.get_json()["errors"] == {"reset_id": ["Send reset_id or email."]}


@pytest.mark.parametrize("method", RESET_METHODS)
def test_reset_to_weak_password_keeps_code_valid(users: UserFactory, method: str) -> None:
    grace = users.create_verified()
    reset = request_reset(users)
    for password in ("grace", "hopper1906", "password", "1234567890", "aaaaaaaaaa", "qwertyuiop", "graceexample"):
        assert (
            error_of(reset_password(users.client, reset.code, password=password, **reset.identifier(method)))
            == WEAK_PASSWORD
        ), password

    assert grace.login(PASSWORD).status_code == 200
    assert reset_password(users.client, reset.code, **reset.identifier(method)).status_code == 200


def test_reset_checks_code_before_password_policy(users: UserFactory) -> None:
    users.create_verified()
    reset = request_reset(users)

    assert error_of(reset_password(users.client, WRONG_CODE, password="password", reset_id=reset.id)) == INVALID_CODE


def test_reset_verifies_email(app: Flask, users: UserFactory) -> None:
    grace = users.create_verified()
    execute_statement(app, update(User).values(is_verified=False))
    assert grace.login().status_code == 401
    reset = request_reset(users)
    reset_password(users.client, reset.code, reset_id=reset.id)

    assert grace.login(NEW_PASSWORD).get_json()["user"]["is_verified"] is True


def test_reset_mail_goes_to_verified_email_spelling(users: UserFactory) -> None:
    users.create_verified()
    forgot_password(users.client, "GRACE@EXAMPLE.COM")

    assert {mail["to"] for mail in users.mailbox.wait(2)} == {GRACE_EMAIL}


def test_reset_mail_for_unknown_email_is_discarded(app: Flask, client: FlaskClient) -> None:
    forgot_password(client)
    wait_for_outbox(app)

    assert query_all(app, select(OutboxMail.state)) == [DISCARDED]
    assert query_all(app, select(OutboxMail.attempts)) == [1]  # the worker has claimed it, as if it were to be sent


@pytest.mark.parametrize("registers_later", [False, True])
def test_unmailed_reset_code_is_never_valid(app: Flask, users: UserFactory, registers_later: bool) -> None:
    reset_id = forgot_password(users.client).get_json()["reset_id"]
    wait_for_outbox(app)
    assert users.mailbox.all() == []
    if registers_later:
        users.create_verified()

    code = code_for_id(app, reset_id)
    for identifier in ({"reset_id": reset_id}, {"email": GRACE_EMAIL}):
        assert error_of(reset_password(users.client, code, **identifier)) == INVALID_CODE
    assert audit_events(app, "password_reset") == []
