"""Sign-in and registration send few SQL statements, the same ones whether or not an email address has an account."""

from collections import Counter

import pytest
from flask import Flask
from tests.login.helpers import WRONG_PASSWORD
from tests.mfa.helpers import MfaUser
from tests.support.inspect import statement_counts
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, UserFactory, forwarded_for, registration_form

# MySQL has no RETURNING and needs one statement more for each counted attempt.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

COUNTED_BEFORE_THE_HASH = Counter({"SELECT devices": 1, "INSERT rate_limit_counters": 1})
COMPLETED = Counter(
    {
        "DELETE rate_limit_counters": 1,
        "UPDATE users": 1,
        "SELECT sessions": 1,
        "INSERT sessions": 1,
        "INSERT audit_events": 1,
    }
)
ALERT = Counter({"SELECT email_links": 1, "INSERT email_links": 1, "INSERT outbox": 1})
REGISTRATION = Counter(
    {
        "INSERT rate_limit_counters": 2,  # before the hash, and for the mail
        "SELECT users": 1,
        "SELECT registrations": 1,
        "SELECT devices": 1,
        **dict.fromkeys(("INSERT one_time_codes", "INSERT registrations", "INSERT outbox", "INSERT audit_events"), 1),
    }
)


def statements_of(app: Flask, path: str, body: dict[str, str], status: int, at: str = CLIENT_IP) -> Counter[str]:
    client = app.test_client()
    with statement_counts(app) as statements:
        assert client.post(path, json=body, headers=forwarded_for(at)).status_code == status
    return statements


def test_login_from_recognised_device_sends_eight_statements(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    body = {"email": user.email, "password": PASSWORD, "device_token": user.login_ok()["device_token"]}
    expected = COUNTED_BEFORE_THE_HASH + COMPLETED + Counter({"UPDATE devices": 1})

    assert statements_of(app, "/auth/login", body, 200) == expected
    assert expected.total() == 8


def test_login_from_new_device_sends_eleven_statements(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    user.login_ok(at=CLIENT_IP)
    body = {"email": user.email, "password": PASSWORD}
    expected = COUNTED_BEFORE_THE_HASH + COMPLETED + Counter({"INSERT devices": 1}) + ALERT

    assert statements_of(app, "/auth/login", body, 200, at=OTHER_IP) == expected
    assert expected.total() == 11


def test_second_factor_sends_eighteen_statements(app: Flask) -> None:
    user = MfaUser.create(app)
    challenge = user.challenge()
    body = {"challenge_token": challenge, "otp": user.otp(), "device_token": user.device_token}

    statements = statements_of(app, "/auth/second-factor", body, 200)

    assert statements.total() == 18, statements


def test_failed_login_sends_equal_statements_for_any_email(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    user.login_ok(at=CLIENT_IP)
    known, unknown = (
        statements_of(app, "/auth/login", {"email": email, "password": WRONG_PASSWORD}, 401)
        for email in (user.email, "unknown@example.com")
    )

    assert known == unknown == COUNTED_BEFORE_THE_HASH + Counter({"INSERT audit_events": 1})


def test_register_sends_equal_statements_for_any_email(app: Flask, users: UserFactory) -> None:
    email = users.create_verified(at=OTHER_IP).email
    known, unknown = (
        statements_of(app, "/auth/register", registration_form(address, password="eleven blue lanterns"), 200)
        for address in (email, "unknown@example.com")
    )

    assert known == unknown == REGISTRATION
    assert REGISTRATION.total() == 9
