"""DELETE /users/password: sign in with passkeys only, and POST /auth/change-password without a current one."""

import pytest
from flask import Flask
from sqlalchemy import delete, select, update
from tests.passkeys.client import PasskeyUser, sign_in_with
from tests.support.inspect import error_of, execute_statement, query_all, single_event
from tests.support.soft_authenticator import BE, BS, UP, UV, SoftAuthenticator
from tests.support.users import Mailbox, bearer
from werkzeug.test import TestResponse

from flaskauth.mfa.models import RecoveryCode
from flaskauth.sessions.models import Session

SYNCED = UP | UV | BE | BS
NEW_PASSWORD = "nine violet teapots"


def remove_password(user: PasskeyUser, authenticator: SoftAuthenticator) -> TestResponse:
    """Sign in with a passkey and remove the password."""
    user.headers = bearer(sign_in_with(user.client, authenticator).get_json()["token"])
    return user.client.delete("/users/password", headers=user.headers)


def test_password_is_removed_with_two_passkeys(grace: PasskeyUser, app: Flask, mailbox: Mailbox) -> None:
    authenticator = grace.add()
    grace.add()
    PasskeyUser.sign_in(grace.user)

    assert remove_password(grace, authenticator).status_code == 200
    assert error_of(grace.user.login()) == (401, "invalid_credentials")
    assert sign_in_with(grace.client, authenticator).status_code == 200
    active = query_all(app, select(Session.id).where(Session.revoked_at.is_(None)))
    assert len(active) == 2  # the one that removed the password, and that of the sign-in
    assert single_event(app, "password_removed").user_id is not None
    assert "was removed" in mailbox.wait(to=grace.user.email)[0]["subject"]


@pytest.mark.parametrize(("keys", "kind"), [(1, "passkey"), (2, "security_key")])
def test_password_stays_with_too_few_passkeys(grace: PasskeyUser, keys: int, kind: str) -> None:
    for _ in range(keys):
        grace.add(kind=kind)

    response = grace.client.delete("/users/password", headers=grace.headers)
    assert error_of(response) == (422, "validation_failed")
    assert grace.user.login().status_code == 200


def test_password_is_removed_with_synced_passkey_and_codes(grace: PasskeyUser, app: Flask) -> None:
    authenticator = grace.add(SoftAuthenticator(flags=SYNCED))
    assert query_all(app, select(RecoveryCode.id))

    assert remove_password(grace, authenticator).status_code == 200


def test_password_stays_with_synced_passkey_without_codes(grace: PasskeyUser, app: Flask) -> None:
    authenticator = grace.add(SoftAuthenticator(flags=SYNCED))
    execute_statement(app, delete(RecoveryCode))

    assert error_of(remove_password(grace, authenticator)) == (422, "validation_failed")


def test_password_removal_requires_a_proven_passkey(grace: PasskeyUser, app: Flask) -> None:
    grace.add()
    grace.add()
    execute_statement(app, update(Session).values(amr="pwd otp mfa"))

    assert error_of(grace.client.delete("/users/password", headers=grace.headers)) == (403, "reauthentication_required")


def test_password_is_set_again_without_a_current_one(grace: PasskeyUser) -> None:
    authenticator = grace.add()
    grace.add()
    remove_password(grace, authenticator)
    body = {"password": NEW_PASSWORD}
    path = "/auth/change-password"

    assert error_of(grace.client.post(path, json={"password": "short"}, headers=grace.headers))[0] == 422
    assert grace.client.post(path, json=body, headers=grace.headers).status_code == 200
    assert grace.user.login(NEW_PASSWORD).status_code == 200
    response = grace.client.post(path, json=body, headers=grace.headers)
    assert response.get_json()["errors"] == {"current_password": ["current_password is required!"]}


def test_password_is_set_again_only_with_a_fresh_token(grace: PasskeyUser) -> None:
    authenticator = grace.add()
    grace.add()
    remove_password(grace, authenticator)
    refresh_token = sign_in_with(grace.client, authenticator).get_json()["refresh_token"]
    token = grace.client.post("/auth/refresh", json={"refresh_token": refresh_token}).get_json()["token"]
    response = grace.client.post("/auth/change-password", json={"password": NEW_PASSWORD}, headers=bearer(token))

    assert error_of(response) == (403, "reauthentication_required")


def test_password_reset_sets_a_password_again(grace: PasskeyUser, mailbox: Mailbox) -> None:
    authenticator = grace.add()
    grace.add()
    remove_password(grace, authenticator)
    grace.client.post("/auth/forgot-password", json={"email": grace.user.email})
    body = {"email": grace.user.email, "otp": mailbox.code(grace.user.email), "password": NEW_PASSWORD}

    assert grace.client.post("/auth/reset-password", json=body).status_code == 200
    assert grace.user.login(NEW_PASSWORD).status_code == 200
    assert sign_in_with(grace.client, authenticator).status_code == 200
