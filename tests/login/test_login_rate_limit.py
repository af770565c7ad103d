"""Request rate limits per network apply before the body is read, and stay in force while Redis is unavailable.

Wrong passwords are limited per network; right passwords and recognised devices are not counted.
"""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.login.helpers import TOO_MANY_REQUESTS, WRONG_PASSWORD, LoginClient, unseen_ip
from tests.servers import Redis, free_port
from tests.support.inspect import (
    engine_listeners,
    error_of,
    hash_count,
    observable_response,
    reconcile_request_limits,
    run_concurrently,
)
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, TestUser, UserFactory, bearer, forwarded_for

from flaskauth.core import clock
from flaskauth.core.http import request_limits
from flaskauth.login import throttling
from flaskauth.settings import Settings

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
LIMIT = {"RATE_LIMIT_LOGIN": "30/minute; 300/hour"}


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(**LIMIT)


def count_allowed_requests(app: Flask, at: str = CLIENT_IP, path: str = "/auth/login") -> int:
    """Return how many requests of a network pass the limit, up to 100. The bodies are empty, so nothing is hashed."""
    client = app.test_client()
    for number in range(100):
        response = client.post(path, headers=forwarded_for(at))
        if response.status_code == 429:
            assert error_of(response) == TOO_MANY_REQUESTS
            assert 0 < response.get_json()["retry_after"] <= 60
            return number
    return 100


@pytest.mark.parametrize("redis_fixture", ["", "redis"])
def test_wrong_passwords_of_a_network_are_30_per_minute(
    make_app: MakeApp, request: pytest.FixtureRequest, redis_fixture: str
) -> None:
    redis_url = request.getfixturevalue(redis_fixture).url if redis_fixture else ""
    UserFactory(make_app()).create_verified(at=OTHER_IP)
    app, at = make_app(REDIS_URL=redis_url), unseen_ip()
    grace = TestUser(app.test_client(), "grace@example.com")
    device_token = grace.login_ok(at=OTHER_IP)["device_token"]
    assert [grace.login(at=at).status_code for _ in range(2)] == [200, 200]
    statuses = [LoginClient(app, f"user{number}@example.com", at).fail_logins(1)[0] for number in range(35)]
    assert statuses == [401] * 30 + [429] * 5

    before = hash_count(app)
    limited = LoginClient(app, "grace@example.com", at)
    unknown = LoginClient(app, "unknown@example.com", at)
    responses = [
        observable_response(client.login(password))
        for client in (limited, unknown)
        for password in (PASSWORD, WRONG_PASSWORD)
    ]
    assert len({str(response) for response in responses}) == 1
    assert (responses[0][0], hash_count(app) - before) == (429, 0)
    assert 0 < limited.login().get_json()["retry_after"] <= 60
    assert grace.login(at=at, device_token="not-the-token").status_code == 429
    assert grace.login(at=at, device_token=device_token).status_code == 200
    assert grace.login(at=OTHER_IP).status_code == 200


def test_wrong_passwords_of_a_network_are_300_per_hour(make_app: MakeApp) -> None:
    app = make_app(RATE_LIMIT_LOGIN_FAILURES="9/minute; 3/hour")
    statuses = [LoginClient(app, f"user{number}@example.com", CLIENT_IP).fail_logins(1)[0] for number in range(4)]

    assert statuses == [401] * 3 + [429]
    assert Settings.model_fields["rate_limit_login_failures"].default == "30/minute; 300/hour"
    retry_after = LoginClient(app, ip=CLIENT_IP).login().get_json()["retry_after"]
    assert 3500 < retry_after <= 3600


def test_concurrent_wrong_passwords_get_30_results(make_app: MakeApp) -> None:
    app = make_app()
    guesses = [partial(LoginClient(app, f"user{number}@example.com", CLIENT_IP).fail_logins, 1) for number in range(40)]
    statuses = Counter(status for [status] in run_concurrently(guesses))

    assert statuses[401] <= 30
    assert set(statuses) <= {401, 429, 503}


def test_right_password_resolved_past_the_limit_is_rejected(make_app: MakeApp) -> None:
    """An attacker sends many guesses concurrently: none takes effect after the 30th wrong one is known."""
    app = make_app(RATE_LIMIT_LOGIN_FAILURES="3/minute")
    users = UserFactory(app)
    users.create_verified(at=OTHER_IP)
    before = hash_count(app)

    def record_failures(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if "rate_limit_counters" in statement:  # the attempt is counted, and not compared yet
            for _ in range(3):
                request_limits.hit("3/minute", throttling.NETWORK_KEY, CLIENT_IP)

    with engine_listeners(app, before_cursor_execute=record_failures):
        assert error_of(LoginClient(app).login(PASSWORD, at=CLIENT_IP)) == TOO_MANY_REQUESTS
    assert hash_count(app) == before + 1


@pytest.mark.parametrize("path", ["/auth/reauthenticate", "/auth/change-password"])
def test_wrong_passwords_of_a_session_do_not_lock_its_network(make_app: MakeApp, path: str) -> None:
    app = make_app(RATE_LIMIT_LOGIN_FAILURES="2/minute")
    users = UserFactory(app)
    grace, ada = users.create_verified(), users.create_verified("ada@example.com")
    headers = {**forwarded_for(CLIENT_IP), **bearer(grace.login_ok()["token"])}
    fields = {"password": WRONG_PASSWORD} if "reauth" in path else {"current_password": "x", "password": "y" * 12}
    assert [users.client.post(path, json=fields, headers=headers).status_code for _ in range(4)] == [401] * 4

    assert ada.login().status_code == 200


def test_login_rate_limit_is_30_per_minute_per_network(app: Flask) -> None:
    assert count_allowed_requests(app) == 30
    assert count_allowed_requests(app) == 0
    assert count_allowed_requests(app, at=OTHER_IP) == 30
    assert hash_count(app) == 0


def test_rate_limit_rejects_before_body_is_read(app: Flask) -> None:
    count_allowed_requests(app)

    for body in ({"data": b"{"}, {"data": b"x" * 2**20, "content_type": "text/plain"}, {"json": {"email": 7}}):
        response = app.test_client().post("/auth/login", headers=forwarded_for(CLIENT_IP), **body)
        assert error_of(response) == TOO_MANY_REQUESTS


def test_login_rate_limit_does_not_affect_refresh(app: Flask) -> None:
    count_allowed_requests(app)

    assert app.test_client().post("/auth/refresh", json={}, headers=forwarded_for(CLIENT_IP)).status_code == 422


@pytest.mark.parametrize(
    ("path", "limit"), [("/auth/register", 60), ("/auth/reauthenticate", 30), ("/auth/resend", 60)]
)
def test_each_route_has_its_own_rate_limit(app: Flask, path: str, limit: int) -> None:
    assert count_allowed_requests(app, path=path) == limit


def test_rate_limit_counts_ipv6_prefix_as_one_network(app: Flask) -> None:
    assert [count_allowed_requests(app, at=f"2001:db8::{host}") for host in (1, 2)] == [30, 0]


def test_rate_limit_applies_to_invalid_client_ip(app: Flask) -> None:
    assert [count_allowed_requests(app, at=hop) for hop in ("banana", "unknown", "")] == [30, 0, 0]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"])
def test_rate_limit_ignores_headers_of_untrusted_proxy(make_app: MakeApp, header: str) -> None:
    client = make_app(TRUSTED_PROXIES="192.0.2.1", **LIMIT).test_client()
    statuses = [client.post("/auth/login", headers={header: unseen_ip()}).status_code for _ in range(31)]

    assert statuses == [415] * 30 + [429]


def test_rate_limit_factor_scales_limits(make_app: MakeApp) -> None:
    assert count_allowed_requests(make_app(RATE_LIMIT_FACTOR="0.1", **LIMIT)) == 3
    assert count_allowed_requests(make_app(RATE_LIMIT_FACTOR="2", **LIMIT)) == 60


def test_rate_limit_is_divided_among_workers_without_redis(make_app: MakeApp) -> None:
    assert count_allowed_requests(make_app(WEB_CONCURRENCY="3", **LIMIT)) == 10


def test_rate_limit_is_shared_across_processes_with_redis(make_app: MakeApp, redis: Redis) -> None:
    apps = [make_app(REDIS_URL=redis.url, WEB_CONCURRENCY="3", **LIMIT) for _ in range(2)]
    at = unseen_ip()
    reconcile_request_limits(*apps)
    for app, requests in zip(apps, (20, 1), strict=True):
        client = app.test_client()
        for _ in range(requests):
            client.post("/auth/login", headers=forwarded_for(at))
        # Before the next application counts: its own thread may exchange its count first, and then reads the total.
        reconcile_request_limits(app)

    assert count_allowed_requests(apps[1], at=at) == 9


def test_rate_limit_is_divided_while_redis_is_unavailable(make_app: MakeApp) -> None:
    app = make_app(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0", WEB_CONCURRENCY="3", **LIMIT)

    assert count_allowed_requests(app) == 10


def test_rate_limit_is_independent_of_wall_clock(app: Flask) -> None:
    count_allowed_requests(app)
    clock.travel(timedelta(seconds=61))

    assert count_allowed_requests(app) == 0
