"""Sensitive actions require a fresh token, which login and reauthentication issue."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.login.helpers import INVALID_CREDENTIALS
from tests.signing_keys.helpers import decode_claims
from tests.support.inspect import error_of, single_event
from tests.support.users import PASSWORD, UserFactory, bearer
from werkzeug.test import TestResponse

from flaskauth.core import clock

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

REAUTHENTICATION_REQUIRED = (403, "reauthentication_required")


def reauthenticate(client: FlaskClient, token: str, password: str = PASSWORD) -> TestResponse:
    return client.post("/auth/reauthenticate", json={"password": password}, headers=bearer(token))


def revoke_other_sessions(client: FlaskClient, token: str) -> TestResponse:
    return client.delete("/auth/sessions", headers=bearer(token))


def test_login_token_is_fresh_for_ten_minutes(make_app: MakeApp) -> None:
    users = UserFactory(make_app(JWT_DURATION="60"))
    token = users.create_verified().login_ok()["token"]
    clock.travel(timedelta(minutes=9, seconds=50))
    assert revoke_other_sessions(users.client, token).status_code == 200

    clock.travel(timedelta(seconds=11))
    assert error_of(revoke_other_sessions(users.client, token)) == REAUTHENTICATION_REQUIRED


def test_refreshed_token_is_not_fresh(users: UserFactory) -> None:
    tokens = users.create_verified().login_ok()
    refreshed = users.client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).get_json()

    assert error_of(revoke_other_sessions(users.client, refreshed["token"])) == REAUTHENTICATION_REQUIRED
    assert revoke_other_sessions(users.client, tokens["token"]).status_code == 200


def test_reauthenticate_returns_fresh_token(app: Flask, users: UserFactory) -> None:
    tokens = users.create_verified().login_ok()
    clock.travel(timedelta(minutes=30))
    stale = users.client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).get_json()["token"]
    response = reauthenticate(users.client, stale)
    fresh = response.get_json()

    assert set(fresh) == {"status", "success", "message", "token", "fresh_until"}
    assert revoke_other_sessions(users.client, fresh["token"]).status_code == 200
    assert error_of(revoke_other_sessions(users.client, stale)) == REAUTHENTICATION_REQUIRED
    assert single_event(app, "reauthenticated").user_id == tokens["user"]["id"]


def test_reauthenticate_keeps_session_and_auth_time(users: UserFactory) -> None:
    tokens = users.create_verified().login_ok()
    clock.travel(timedelta(minutes=5))
    fresh = reauthenticate(users.client, tokens["token"]).get_json()
    before, after = decode_claims(tokens["token"]), decode_claims(fresh["token"])

    assert (after["sid"], after["sub"], after["auth_time"]) == (before["sid"], before["sub"], before["auth_time"])
    assert after["jti"] != before["jti"]
    fresh_until = datetime.fromisoformat(fresh["fresh_until"]).timestamp()
    assert fresh_until == after["fresh_until"] == after["iat"] + 600


def test_reauthenticate_with_wrong_password_is_rejected(users: UserFactory) -> None:
    token = users.create_verified().login_ok()["token"]

    assert error_of(reauthenticate(users.client, token, "wrong")) == INVALID_CREDENTIALS


def test_reauthenticate_without_session_is_rejected(users: UserFactory) -> None:
    token = users.create_verified().login_ok()["token"]
    users.client.post("/auth/logout", headers=bearer(token))

    assert error_of(reauthenticate(users.client, token)) == (401, "invalid_token")
    assert error_of(users.client.post("/auth/reauthenticate", json={"password": PASSWORD})) == (401, "invalid_token")


def test_authentication_is_checked_before_body_parsing(client: FlaskClient) -> None:
    assert error_of(client.post("/auth/reauthenticate", data=b"{")) == (401, "invalid_token")
    assert error_of(client.delete("/auth/sessions", data=b"{")) == (401, "invalid_token")
