"""`POST /auth/login`: request validation, responses, stored hashes and audit events."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from tests.login.helpers import INVALID_CREDENTIALS, unseen_ip
from tests.support.inspect import error_of, execute_statement, hash_count, query_all, single_event
from tests.support.users import CLIENT_IP, PASSWORD, UserFactory, forwarded_for

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.clock import to_rfc3339
from flaskauth.core.passwords.hashes import ARGON2
from flaskauth.sessions.models import Session

UNREADABLE_HASHES = [
    None,
    "",
    "seven green kettles",
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$",
    "$argon2id$v=19$m=19456,t=2,p=1$bm90$YmFzZTY0!!",
    "$argon2id$v=99$m=1,t=1,p=1$bm9ib2R5bm9ib2R5bm9ibw$ytaH46meWY8lmL7GvISeF34nSYdizucq0l76z3Y8lWA",
    "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
]
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def login_error(client: FlaskClient, **body: Any) -> tuple[int, str]:
    return error_of(client.post("/auth/login", json=body))


def test_login_returns_tokens(users: UserFactory) -> None:
    body = users.create_verified(country="NG").login().get_json()

    assert set(body) == {
        "status", "success", "message", "token", "refresh_token", "expired_at", "device_token", "user"
    }  # fmt: skip
    assert (body["status"], body["success"]) == ("Success", True)
    assert body["message"] == "Login Successful, Welcome Back"
    assert re.fullmatch(r"\d+\.1\.[\w-]{43}", body["refresh_token"])
    assert body["token"].count(".") == 2


def test_login_returns_user_fields(users: UserFactory) -> None:
    user = users.create_verified(country="NG").login_ok()["user"]

    assert TIMESTAMP.fullmatch(user["created_at"])
    assert 0 < user["id"] < 2**53
    del user["created_at"], user["id"]
    assert user == {
        "email": "grace@example.com",
        "first_name": "Grace",
        "last_name": "Hopper",
        "avatar": None,
        "country_id": 566,
        "country": {"id": 566, "name": "Nigeria", "code": "NG"},
        "is_verified": True,
        "updated_at": None,
    }


def test_login_reports_idle_expiry_of_14_days(users: UserFactory) -> None:
    before = clock.now()
    expires_at = datetime.fromisoformat(users.create_verified().login_ok()["expired_at"])

    assert timedelta(days=14, seconds=-1) <= expires_at - before <= timedelta(days=14, minutes=1)


def test_login_reports_the_earlier_expiry(make_app: Any) -> None:
    user = UserFactory(make_app(REFRESH_TOKEN_DURATION="60")).create_verified()

    assert user.login_ok()["expired_at"] <= to_rfc3339(clock.now() + timedelta(hours=1))


def test_login_email_is_case_insensitive(users: UserFactory) -> None:
    users.create_verified("Grace@example.com")

    response = users.client.post("/auth/login", json={"email": "gRACE@eXAMPLE.COM", "password": PASSWORD})
    assert response.get_json()["user"]["email"] == "Grace@example.com"


def test_login_normalizes_unicode_password(users: UserFactory) -> None:
    user = users.create_verified(password="sieben grüne Kessel")

    assert user.login("sieben gru\u0308ne Kessel").status_code == 200


def test_login_failure_response_prevents_enumeration(users: UserFactory) -> None:
    user = users.create_verified()
    users.register("pending@example.com")
    responses = [
        user.login("wrong"),
        *(
            users.client.post(
                "/auth/login", json={"email": email, "password": PASSWORD}, headers=forwarded_for(CLIENT_IP)
            )
            for email in ("pending@example.com", "unknown@example.com")
        ),
    ]

    assert {error_of(response) for response in responses} == {INVALID_CREDENTIALS}
    assert {response.get_json()["message"] for response in responses} == {
        "Login failed! Invalid email or password. If you have just registered, enter the code from the mail first."
    }
    assert {response.headers["WWW-Authenticate"] for response in responses} == {
        'Bearer realm="flaskauth", error="invalid_credentials"'
    }


def test_login_of_unverified_user_is_rejected(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    execute_statement(app, update(User).values(is_verified=False))

    assert error_of(user.login()) == INVALID_CREDENTIALS


def test_login_with_unreadable_hash_is_rejected(app: Flask, users: UserFactory) -> None:
    user, before = users.create_verified(), hash_count(app)
    for stored_hash in UNREADABLE_HASHES:
        execute_statement(app, update(User).values(password_hash=stored_hash))
        assert error_of(user.login(stored_hash or "x", at=unseen_ip())) == INVALID_CREDENTIALS

    assert hash_count(app) - before == len(UNREADABLE_HASHES)


def test_login_with_other_argon2_costs_succeeds(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    cheap = ARGON2._hasher.__class__(1, 1024, 1).hash(PASSWORD)
    execute_statement(app, update(User).values(password_hash=cheap))

    assert user.login().status_code == 200


@ON_SQLITE
def test_login_with_overlong_password_is_not_hashed(app: Flask, client: FlaskClient) -> None:
    before = hash_count(app)

    assert login_error(client, email="grace@example.com", password="x" * 257) == (422, "validation_failed")
    assert login_error(client, email="grace@example.com", password="\U0001f600" * 257) == (422, "validation_failed")
    assert login_error(client, email="grace@example.com", password="x" * 2**20) == (413, "too_large")
    assert hash_count(app) == before


def test_login_compares_all_256_characters(users: UserFactory) -> None:
    user = users.create_verified(password="k" + "seven green kettles " * 12 + "and nine blue o")
    assert len(user.password) == 256

    assert user.login(user.password[:-1] + "u").status_code == 401
    assert user.login().status_code == 200


def test_password_does_not_expire(users: UserFactory) -> None:
    """Forced password changes lead users to weaker passwords (ASVS 6.2.10, NIST SP 800-63B-4)."""
    user = users.create_verified()
    clock.travel(timedelta(days=20 * 365))

    assert user.login().status_code == 200


def test_login_email_with_sql_wildcards_matches_nothing(users: UserFactory) -> None:
    users.create_verified()
    for pattern in ("%@example.com", "_race@example.com", "gr%@example.com"):
        response = users.client.post("/auth/login", json={"email": pattern, "password": PASSWORD})
        assert error_of(response) == INVALID_CREDENTIALS


@ON_SQLITE
def test_login_validation_errors_name_each_field(client: FlaskClient) -> None:
    response = client.post("/auth/login", json={"email": "not an address", "remember": True})

    assert error_of(response) == (422, "validation_failed")
    assert response.get_json()["errors"] == {
        "email": ["Invalid Email!"],
        "password": ["password is required!"],
        "remember": ["Unknown field."],
    }


@ON_SQLITE
@pytest.mark.parametrize("email", [["a@example.com", "b@example.com"], {"$ne": ""}, 7, True, None, "", "a@b c.com"])
def test_login_with_malformed_email_is_rejected(client: FlaskClient, email: Any) -> None:
    assert login_error(client, email=email, password=PASSWORD) == (422, "validation_failed")


def test_each_login_creates_a_new_session(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    first, second = user.login_ok(), user.login_ok()

    assert first["refresh_token"].split(".")[0] != second["refresh_token"].split(".")[0]
    assert len({session.nonce for session in query_all(app, select(Session))}) == 2


def test_login_writes_audit_events_with_user_and_ip(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    user.login("wrong")
    body = user.login_ok()

    failed, logged_in = single_event(app, "sign_in_failed"), single_event(app, "sign_in")
    assert (failed.user_id, failed.session_id, failed.ip) == (body["user"]["id"], None, CLIENT_IP)
    assert (logged_in.user_id, logged_in.session_id) == (failed.user_id, int(body["refresh_token"].split(".")[0]))


def test_two_users_may_have_the_same_password(users: UserFactory) -> None:
    grace, ada = users.create_verified(), users.create_verified("ada@example.com")

    assert grace.login_ok()["user"]["id"] != ada.login_ok()["user"]["id"]
