"""Concurrent guesses through login and reauthentication get no more password comparisons than the limit allows."""

from collections import Counter
from functools import partial

from flask import Flask
from tests.conftest import MakeApp
from tests.login.helpers import INVALID_CREDENTIALS, TOO_MANY_REQUESTS, LoginClient, unseen_ip
from tests.support.inspect import error_of, hash_count, run_concurrently
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, UserFactory, bearer, forwarded_for

MAX_ATTEMPTS = 10
LOAD_SHED = {(503, "overloaded"), (503, "unavailable")}  # under load, a request may be rejected before it is counted


def test_concurrent_logins_from_six_ips_allow_ten_attempts(make_app: MakeApp) -> None:
    app = make_app(DATABASE_POOL_SIZE="64")
    UserFactory(app).create_verified()
    login_client, networks = LoginClient(app), [unseen_ip() for _ in range(6)]
    errors = Counter(
        error_of(response)
        for response in run_concurrently([partial(login_client.login, at=at) for at in networks * 10])
    )

    assert set(errors) <= {INVALID_CREDENTIALS, TOO_MANY_REQUESTS} | LOAD_SHED
    assert errors[INVALID_CREDENTIALS] <= MAX_ATTEMPTS
    assert errors[TOO_MANY_REQUESTS] >= 60 - MAX_ATTEMPTS - sum(errors[error] for error in LOAD_SHED)
    # Requests that were rejected with 503 were not counted, so some of the ten attempts may be left.
    remaining = [
        error_of(login_client.login(at=unseen_ip())) for _ in range(MAX_ATTEMPTS - errors[INVALID_CREDENTIALS])
    ]
    assert set(remaining) <= {INVALID_CREDENTIALS, TOO_MANY_REQUESTS}
    assert error_of(login_client.login(PASSWORD, at=unseen_ip())) == TOO_MANY_REQUESTS


def test_concurrent_correct_logins_in_lockout_are_rejected(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    login_client.lock_email()

    responses = run_concurrently([partial(login_client.login, PASSWORD, at=unseen_ip()) for _ in range(12)])
    assert {error_of(response) for response in responses} <= {TOO_MANY_REQUESTS} | LOAD_SHED


def test_login_attempts_are_counted_across_processes(app: Flask, users: UserFactory, make_app: MakeApp) -> None:
    users.create_verified()
    at, other_app = unseen_ip(), make_app()
    before = hash_count(app) + hash_count(other_app)
    one, two = LoginClient(app, ip=at), LoginClient(other_app, ip=at)
    errors = Counter(error_of(response) for response in run_concurrently([one.login, two.login] * 8))

    assert errors[INVALID_CREDENTIALS] <= 5
    assert hash_count(app) + hash_count(other_app) - before <= 5 + MAX_ATTEMPTS
    assert error_of(two.login(PASSWORD)) == TOO_MANY_REQUESTS


def test_recognised_device_logs_in_during_concurrent_guesses(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok(at=CLIENT_IP)["device_token"]
    login_client = LoginClient(app)
    login_client.lock_email()
    guesses = [partial(login_client.login, at=unseen_ip()) for _ in range(8)]
    *_, owner_login = run_concurrently(
        [*guesses, partial(login_client.login, PASSWORD, at=CLIENT_IP, device_token=token)]
    )

    assert owner_login.status_code == 200


def test_reauthentication_failures_count_against_login(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok(at=CLIENT_IP)["token"]
    for _ in range(5):
        wrong = users.client.post(
            "/auth/reauthenticate", json={"password": "wrong"}, headers={**bearer(token), **forwarded_for(OTHER_IP)}
        )
        assert error_of(wrong) == INVALID_CREDENTIALS

    assert error_of(LoginClient(app).login(PASSWORD, at=OTHER_IP)) == TOO_MANY_REQUESTS


def test_login_failures_count_against_reauthentication(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok(at=CLIENT_IP)["token"]
    LoginClient(app).record_failures(5, at=OTHER_IP)
    headers = {**bearer(token), **forwarded_for(OTHER_IP)}

    wrong = users.client.post("/auth/reauthenticate", json={"password": "wrong"}, headers=headers)
    right = users.client.post("/auth/reauthenticate", json={"password": PASSWORD}, headers=headers)
    assert (error_of(wrong), right.status_code) == (TOO_MANY_REQUESTS, 200)


def test_reauthentication_in_lockout_allows_ten_attempts(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok(at=CLIENT_IP)["token"]
    LoginClient(app).lock_email()
    for at in (OTHER_IP, unseen_ip()):
        headers = {**bearer(token), **forwarded_for(at)}
        for _ in range(5):
            response = users.client.post("/auth/reauthenticate", json={"password": "x"}, headers=headers)
            assert error_of(response) == TOO_MANY_REQUESTS

    response = users.client.post("/auth/reauthenticate", json={"password": PASSWORD}, headers=headers)
    assert error_of(response) == TOO_MANY_REQUESTS
