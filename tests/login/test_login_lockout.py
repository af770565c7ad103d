"""Failed logins lock the network and the email address for increasing times, without revealing which emails exist."""

from datetime import timedelta

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.login.helpers import FIXED_REQUEST_ID, INVALID_CREDENTIALS, TOO_MANY_REQUESTS, LoginClient, unseen_ip
from tests.support.inspect import (
    audit_events,
    error_of,
    hash_count,
    is_rate_limited_for,
    observable_response,
    single_event,
)
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, UserFactory, forwarded_for

from flaskauth.core import clock
from flaskauth.core.http import request_limits
from flaskauth.login import throttling

LOCKOUT_SECONDS = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]  # seconds
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def simulate_attack(app: Flask) -> None:
    """Count 1000 failed sign-ins across all accounts, which is the threshold of an attack."""
    with app.test_request_context():
        for _ in range(1000):
            request_limits.hit(throttling.ATTACK_RATE, "failed sign-ins")


def test_lockout_of_network_after_five_failures_escalates(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    assert login_client.fail_logins(4) == [401] * 4

    for seconds in LOCKOUT_SECONDS:
        assert error_of(login_client.login()) == INVALID_CREDENTIALS
        assert is_rate_limited_for(login_client.login(PASSWORD), seconds)
        clock.travel(timedelta(seconds=seconds))

    assert login_client.login(PASSWORD).status_code == 200


def test_lockout_lasts_its_full_duration(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    login_client.record_failures(5)

    clock.travel(timedelta(seconds=20))
    assert is_rate_limited_for(login_client.login(PASSWORD), 10)
    clock.travel(timedelta(seconds=10))
    assert login_client.login(PASSWORD).status_code == 200


def test_lockout_of_email_after_ten_failures_on_all_networks(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    for at in (unseen_ip(), unseen_ip()):
        assert login_client.fail_logins(5, at=at) == [401] * 5

    for seconds in LOCKOUT_SECONDS[:3]:
        assert is_rate_limited_for(login_client.login(PASSWORD, at=unseen_ip()), seconds)
        clock.travel(timedelta(seconds=seconds))
        assert error_of(login_client.login(at=unseen_ip())) == INVALID_CREDENTIALS


def test_lockout_count_of_email_resets_after_15_minutes(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    for _ in range(3):
        login_client.record_failures(3, at=unseen_ip())
    clock.travel(timedelta(minutes=15))
    for _ in range(3):
        login_client.record_failures(3, at=unseen_ip())

    assert error_of(login_client.login(at=unseen_ip())) == INVALID_CREDENTIALS
    assert error_of(login_client.login(PASSWORD, at=unseen_ip())) == TOO_MANY_REQUESTS


def test_lockout_prevents_enumeration(app: Flask, users: UserFactory) -> None:
    """Verified, pending and unknown emails get equal responses and hashes. A lockout compares ten attempts."""
    users.create_verified()
    users.register("pending@example.com", at=OTHER_IP)

    grace, pending, unknown = (record_login_sequence(app, name) for name in ("grace", "pending", "unknown"))
    assert grace == pending == unknown
    assert [hashes for _, hashes in unknown] == [*range(1, 16), 15, 15]


def record_login_sequence(app: Flask, name: str) -> list[tuple[object, int]]:
    login_client, before = LoginClient(app, f"{name}@example.com"), hash_count(app)
    return [(observable_response(login_client.login()), hash_count(app) - before) for _ in range(17)]


def test_email_lockout_prevents_enumeration(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    responses, before = [], hash_count(app)
    for email in ("grace@example.com", "unknown@example.com"):
        login_client = LoginClient(app, email)
        login_client.lock_email()
        responses += [observable_response(login_client.login()), observable_response(login_client.login(PASSWORD))]

    assert len({str(response) for response in responses}) == 1
    assert (responses[0][0], hash_count(app) - before) == (429, 4)


def test_lockout_hashes_ten_attempts_per_network(app: Flask) -> None:
    login_client = LoginClient(app)
    login_client.lock_email()
    for at in ("192.0.2.1", "192.0.2.2"):
        before = hash_count(app)
        login_client.record_failures(8, at=at)
        assert login_client.fail_logins(4, at=at) == [429] * 4
        assert hash_count(app) - before == 2


def test_successful_login_refunds_attempts(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    for _ in range(3):
        login_client.record_failures(3)
        assert login_client.login(PASSWORD).status_code == 200

    ip = unseen_ip()
    # Nine wrong passwords were counted; the three correct ones were refunded. This is the tenth.
    assert error_of(login_client.login(at=ip)) == INVALID_CREDENTIALS
    assert error_of(login_client.login(at=ip)) == TOO_MANY_REQUESTS


def test_correct_passwords_cause_no_lockout(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()

    assert [user.login(at=unseen_ip()).status_code for _ in range(12)] == [200] * 12


def test_login_to_own_account_keeps_lockout_of_other_email(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    mallory = users.create_verified("mallory@example.com", at=OTHER_IP)
    login_client = LoginClient(app)
    login_client.record_failures(5, at=OTHER_IP)
    assert mallory.login(at=OTHER_IP).status_code == 200

    assert error_of(login_client.login(at=OTHER_IP)) == TOO_MANY_REQUESTS
    assert error_of(login_client.login(PASSWORD, at=OTHER_IP)) == TOO_MANY_REQUESTS


def test_password_spraying_causes_no_lockout(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    for number in range(6):
        assert LoginClient(app, f"user{number}@example.com").fail_logins(1, at=OTHER_IP) == [401]

    assert LoginClient(app).login(PASSWORD, at=OTHER_IP).status_code == 200


def test_lockout_survives_restart(app: Flask, users: UserFactory, make_app: MakeApp) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    assert login_client.fail_logins(5) == [401] * 5

    assert error_of(LoginClient(make_app(), ip=login_client.ip).login(PASSWORD)) == TOO_MANY_REQUESTS


def test_lockout_ignores_email_case(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    for email in (
        "grace@example.com",
        "Grace@example.com",
        "GRACE@EXAMPLE.COM",
        "grace@Example.com",
        "graCe@example.com",
    ):
        assert LoginClient(app, email, login_client.ip).fail_logins(1) == [401]

    assert error_of(login_client.login(PASSWORD)) == TOO_MANY_REQUESTS


def test_lockout_counts_ipv6_prefix_as_one_network(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    assert [login_client.login(at=f"2001:db8:0:1::{host}").status_code for host in range(5)] == [401] * 5

    assert error_of(login_client.login(at="2001:db8:0:1:ffff::1")) == TOO_MANY_REQUESTS
    assert error_of(login_client.login(at="2001:db8:0:2::1")) == INVALID_CREDENTIALS


def test_lockout_ignores_spoofed_forwarded_for(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    assert [login_client.login(at=f"192.0.2.{hop}, {OTHER_IP}").status_code for hop in range(5)] == [401] * 5

    assert error_of(login_client.login(at=f"192.0.2.9, {OTHER_IP}")) == TOO_MANY_REQUESTS


def test_attack_halves_attempts_and_records_event(app: Flask, users: UserFactory) -> None:
    users.create_verified().login_ok(at=CLIENT_IP)
    simulate_attack(app)

    assert LoginClient(app).fail_logins(3) == [401, 401, 429]
    assert LoginClient(app).fail_logins(4, at=CLIENT_IP) == [401] * 4
    assert single_event(app, "sign_in_rate_exceeded").ip


def test_few_login_failures_record_no_attack_event(app: Flask) -> None:
    LoginClient(app).fail_logins(6)

    assert not audit_events(app, "sign_in_rate_exceeded")


def test_correct_login_succeeds_during_attack(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    simulate_attack(app)

    assert user.login(at=unseen_ip()).status_code == 200


@ON_SQLITE
@pytest.mark.parametrize("body", [{}, {"password": ""}, {"password": 7}, {"password": "x" * 257}])
def test_invalid_login_body_counts_no_attempt(app: Flask, body: dict[str, object]) -> None:
    for _ in range(7):
        login_body = {"email": "grace@example.com", **body}
        response = app.test_client().post(
            "/auth/login", json=login_body, headers={**forwarded_for(OTHER_IP), **FIXED_REQUEST_ID}
        )
        assert error_of(response) == (422, "validation_failed")

    assert hash_count(app) == 0
    assert LoginClient(app).fail_logins(1, at=OTHER_IP) == [401]


def test_lockout_escalation_resets_after_26_hours(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    login_client.record_failures(6)
    clock.travel(timedelta(hours=26))

    assert login_client.fail_logins(5) == [401] * 5
    assert is_rate_limited_for(login_client.login(), 30)
