"""Recognised devices and networks have their own attempt limit, so an attacker cannot lock the user out."""

from datetime import timedelta

from flask import Flask
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.login.helpers import INVALID_CREDENTIALS, TOO_MANY_REQUESTS, WRONG_PASSWORD, LoginClient, unseen_ip
from tests.support.inspect import error_of, hash_count, is_rate_limited_for, observable_response, query_all
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, THIRD_IP, UserFactory, bearer, forwarded_for

from flaskauth.core import clock
from flaskauth.core.crypto import sha256
from flaskauth.sessions.models import Device


def start_lockout(app: Flask) -> LoginClient:
    login_client = LoginClient(app)
    login_client.lock_email()
    return login_client


def test_recognised_device_logs_in_from_any_ip_in_lockout(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok(at=CLIENT_IP)["device_token"]
    login_client = start_lockout(app)

    assert error_of(login_client.login(PASSWORD)) == TOO_MANY_REQUESTS
    assert login_client.login(PASSWORD, device_token=token).status_code == 200


def test_recognised_network_logs_in_without_device_token(app: Flask, users: UserFactory) -> None:
    users.create_verified().login_ok(at=CLIENT_IP)
    login_client = start_lockout(app)

    assert error_of(login_client.login(PASSWORD, at=OTHER_IP)) == TOO_MANY_REQUESTS
    assert login_client.login(PASSWORD, at=CLIENT_IP).status_code == 200


def test_registration_network_is_not_recognised(app: Flask, users: UserFactory) -> None:
    users.create_verified(at=CLIENT_IP)

    assert error_of(start_lockout(app).login(PASSWORD, at=CLIENT_IP)) == TOO_MANY_REQUESTS


def test_network_is_recognised_for_30_days(app: Flask, users: UserFactory) -> None:
    users.create_verified().login_ok(at=CLIENT_IP)
    clock.travel(timedelta(days=30, minutes=-1))
    assert start_lockout(app).login(PASSWORD, at=CLIENT_IP).status_code == 200

    clock.travel(timedelta(days=30, minutes=1))
    assert error_of(start_lockout(app).login(PASSWORD, at=CLIENT_IP)) == TOO_MANY_REQUESTS


def test_recognised_device_has_ten_attempts_in_lockout(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok(at=CLIENT_IP)["device_token"]
    login_client = start_lockout(app)
    unrecognised_response = observable_response(login_client.login(at=unseen_ip()))
    before = hash_count(app)

    for _ in range(10):
        assert observable_response(login_client.login(device_token=token)) == unrecognised_response
    assert error_of(login_client.login(PASSWORD, device_token=token)) == TOO_MANY_REQUESTS
    assert hash_count(app) - before == 10


def test_tenth_attempt_on_recognised_network_succeeds(app: Flask, users: UserFactory) -> None:
    users.create_verified().login_ok(at=CLIENT_IP)
    login_client = start_lockout(app)
    login_client.fail_logins(9, at=CLIENT_IP)

    assert login_client.login(PASSWORD, at=CLIENT_IP).status_code == 200


def test_device_attempts_are_shared_across_networks(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok(at=CLIENT_IP)["device_token"]
    login_client = start_lockout(app)
    for _ in range(2):
        login_client.fail_logins(5, at=unseen_ip(), device_token=token)

    assert error_of(login_client.login(PASSWORD, at=unseen_ip(), device_token=token)) == TOO_MANY_REQUESTS


def test_next_lockout_period_grants_ten_new_attempts(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok(at=CLIENT_IP)["device_token"]
    login_client = start_lockout(app)
    login_client.fail_logins(11, device_token=token)
    clock.travel(timedelta(seconds=30))
    login_client.record_failures(1, at=unseen_ip())

    assert login_client.login(PASSWORD, device_token=token).status_code == 200


def test_100_consecutive_failures_lock_unrecognised_clients(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok(at=CLIENT_IP)["device_token"]
    login_client = LoginClient(app)
    login_client.set_consecutive_failures(99)
    assert error_of(login_client.login()) == INVALID_CREDENTIALS

    assert is_rate_limited_for(login_client.login(PASSWORD), 3600)
    clock.travel(timedelta(days=20))
    assert error_of(login_client.login(PASSWORD)) == TOO_MANY_REQUESTS
    assert error_of(login_client.login(WRONG_PASSWORD, at=CLIENT_IP)) == TOO_MANY_REQUESTS
    assert login_client.login(PASSWORD, device_token=token).status_code == 200


def test_successful_login_resets_consecutive_failures(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    login_client.set_consecutive_failures(99)
    assert login_client.login(PASSWORD).status_code == 200

    assert login_client.fail_logins(2) == [401, 401]
    assert login_client.login(PASSWORD, at=unseen_ip()).status_code == 200


def test_lockout_response_prevents_enumeration(app: Flask, users: UserFactory) -> None:
    users.create_verified().login_ok(at=CLIENT_IP)
    for email in ("grace@example.com", "unknown@example.com"):
        LoginClient(app, email).set_consecutive_failures(100)

    responses = [
        observable_response(LoginClient(app, f"{name}@example.com").login(at=CLIENT_IP))
        for name in ("grace", "unknown")
    ]
    assert responses[0] == responses[1]
    assert responses[0][0] == 429


def test_login_keeps_valid_device_token_or_issues_new_one(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    first = user.login_ok()["device_token"]

    assert user.login(device_token=first, at=THIRD_IP).get_json()["device_token"] == first
    assert user.login_ok()["device_token"] != first
    assert user.login(device_token="made up").get_json()["device_token"] not in {first, "made up"}
    assert len(query_all(app, select(Device))) == 3


def test_device_token_is_stored_only_as_digest(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok()["device_token"]
    [device] = query_all(app, select(Device))

    assert len(token) == 43
    assert device.token_digest == sha256(token.encode())


def test_device_is_recognised_for_180_days_after_last_use(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    token = user.login_ok()["device_token"]
    clock.travel(timedelta(days=179))
    assert user.login(device_token=token).get_json()["device_token"] == token
    clock.travel(timedelta(days=179))
    assert start_lockout(app).login(PASSWORD, device_token=token).get_json()["device_token"] == token

    clock.travel(timedelta(days=180))
    assert error_of(start_lockout(app).login(PASSWORD, device_token=token)) == TOO_MANY_REQUESTS


def test_device_token_of_other_user_is_not_recognised(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    token = users.create_verified("mallory@example.com").login_ok()["device_token"]

    assert error_of(start_lockout(app).login(PASSWORD, device_token=token)) == TOO_MANY_REQUESTS


def test_logout_everywhere_removes_other_devices(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    other_token = user.login_ok(at=OTHER_IP)["device_token"]
    tokens = user.login_ok(at=THIRD_IP)
    response = users.client.delete("/auth/sessions", headers={**bearer(tokens["token"]), **forwarded_for(THIRD_IP)})
    assert response.status_code == 200

    login_client = start_lockout(app)
    assert error_of(login_client.login(PASSWORD, device_token=other_token)) == TOO_MANY_REQUESTS
    assert login_client.login(PASSWORD, device_token=tokens["device_token"]).status_code == 200


def test_device_is_recognised_by_all_processes(app: Flask, users: UserFactory, make_app: MakeApp) -> None:
    token = users.create_verified().login_ok()["device_token"]
    start_lockout(app)

    assert LoginClient(make_app()).login(PASSWORD, device_token=token).status_code == 200
