"""Registration, reset and change reject breached passwords without side effects; login accepts them."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.breached_passwords.helpers import BREACH_ERRORS, BREACHED_PASSWORD, make_filter_file
from tests.conftest import MakeApp
from tests.passwords.helpers import (
    NEW_PASSWORD,
    RESET_METHODS,
    WEAK_PASSWORD,
    change_password,
    request_reset,
    reset_password,
)
from tests.registration.helpers import GRACE_EMAIL, register, unused_ip
from tests.support.db_snapshot import table_contents
from tests.support.inspect import error_of, hash_count, observable_response, single_event
from tests.support.users import PASSWORD, TestUser, UserFactory

OTHER_BREACHED_PASSWORD = "twelve leaked lighthouses"
FULLWIDTH = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in "abcdefghijklmnopqrstuvwxyz"})


@pytest.fixture
def filter_file(tmp_path: Path) -> Path:
    return make_filter_file(tmp_path, BREACHED_PASSWORD, "fünf grüne ﬂöße ①")


@pytest.fixture
def app(make_app: MakeApp, filter_file: Path) -> Flask:
    return make_app(BREACHED_PASSWORDS=str(filter_file))


def test_register_with_breached_password_is_rejected(app: Flask, client: FlaskClient) -> None:
    before, hashes_before = table_contents(app), hash_count(app)
    for password in (BREACHED_PASSWORD, BREACHED_PASSWORD.translate(FULLWIDTH), "fünf grüne flöße 1"):
        response = register(client, at=unused_ip(), password=password)
        assert error_of(response) == WEAK_PASSWORD
        assert response.get_json()["errors"] == BREACH_ERRORS

    assert (table_contents(app), hash_count(app)) == (before, hashes_before)
    assert register(client, password=BREACHED_PASSWORD.title()).status_code == 200


def test_breached_password_error_prevents_enumeration(client: FlaskClient, users: UserFactory) -> None:
    users.create_verified()
    client.environ_base["HTTP_X_REQUEST_ID"] = "one"
    responses = [register(client, email, password=BREACHED_PASSWORD) for email in (GRACE_EMAIL, "other@example.com")]

    assert observable_response(responses[0]) == observable_response(responses[1])


@pytest.mark.parametrize("method", RESET_METHODS)
def test_reset_to_breached_password_keeps_code_valid(users: UserFactory, method: str) -> None:
    grace = users.create_verified()
    reset = request_reset(users)
    responses = [
        reset_password(users.client, reset.code, password=BREACHED_PASSWORD, **reset.identifier(method))
        for _ in range(12)
    ]

    assert {error_of(response) for response in responses} == {WEAK_PASSWORD}
    assert grace.login().status_code == 200
    assert reset_password(users.client, reset.code, **reset.identifier(method)).status_code == 200
    assert grace.login(NEW_PASSWORD).status_code == 200


def test_breach_is_not_revealed_without_valid_code(users: UserFactory) -> None:
    users.create_verified()
    reset = request_reset(users)

    assert error_of(reset_password(users.client, "BBBB-BBBB", password=BREACHED_PASSWORD, reset_id=reset.id)) == (
        401,
        "invalid_code",
    )


def test_change_to_breached_password_refunds_attempt(users: UserFactory) -> None:
    grace = users.create_verified()
    token = grace.login_ok()["token"]
    responses = [change_password(users.client, token, PASSWORD, BREACHED_PASSWORD) for _ in range(12)]

    assert {error_of(response) for response in responses} == {WEAK_PASSWORD}
    assert responses[0].get_json()["errors"] == BREACH_ERRORS
    assert change_password(users.client, token, PASSWORD).status_code == 200


def test_login_with_breached_password_succeeds(make_app: MakeApp, filter_file: Path) -> None:
    users = UserFactory(make_app())
    users.create_verified(password=BREACHED_PASSWORD)
    client = make_app(BREACHED_PASSWORDS=str(filter_file)).test_client()

    tokens = TestUser(client, GRACE_EMAIL, BREACHED_PASSWORD).login_ok()
    assert change_password(client, tokens["token"], BREACHED_PASSWORD).status_code == 200


def test_breach_check_is_disabled_by_default(make_app: MakeApp) -> None:
    assert register(make_app().test_client(), password=BREACHED_PASSWORD).status_code == 200


def test_replaced_filter_file_is_reloaded(client: FlaskClient, filter_file: Path) -> None:
    assert register(client, at=unused_ip(), password=OTHER_BREACHED_PASSWORD).status_code == 200
    make_filter_file(filter_file.parent, OTHER_BREACHED_PASSWORD)

    assert error_of(register(client, at=unused_ip(), password=OTHER_BREACHED_PASSWORD)) == WEAK_PASSWORD
    assert register(client, at=unused_ip(), password=BREACHED_PASSWORD).status_code == 200


@pytest.mark.parametrize("damage", ["missing", "truncated", "overwritten", "a directory"])
def test_unreadable_filter_allows_registration(app: Flask, client: FlaskClient, filter_file: Path, damage: str) -> None:
    content = filter_file.read_bytes()
    filter_file.unlink()
    if damage == "a directory":
        filter_file.mkdir()
    elif damage != "missing":
        filter_file.write_bytes(content[:4096] if damage == "truncated" else b"\xff" * len(content))

    assert register(client, password=BREACHED_PASSWORD).status_code == 200
    event = single_event(app, "breach_check_failed")
    assert str(filter_file) not in str(event.details)
    assert event.details["reason"]
