"""Request rate limits per network apply before the body is read, and stay in force while Redis is unavailable."""

from datetime import timedelta

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.login.helpers import TOO_MANY_REQUESTS, unseen_ip
from tests.servers import Redis, free_port
from tests.support.inspect import error_of, hash_count
from tests.support.users import CLIENT_IP, OTHER_IP, forwarded_for

from flaskauth.core import clock

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


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
    ("path", "limit"), [("/auth/register", 10), ("/auth/reauthenticate", 30), ("/auth/resend", 60)]
)
def test_each_route_has_its_own_rate_limit(app: Flask, path: str, limit: int) -> None:
    assert count_allowed_requests(app, path=path) == limit


def test_rate_limit_counts_ipv6_prefix_as_one_network(app: Flask) -> None:
    assert [count_allowed_requests(app, at=f"2001:db8::{host}") for host in (1, 2)] == [30, 0]


def test_rate_limit_applies_to_invalid_client_ip(app: Flask) -> None:
    assert [count_allowed_requests(app, at=hop) for hop in ("banana", "unknown", "")] == [30, 0, 0]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"])
def test_rate_limit_ignores_headers_of_untrusted_proxy(make_app: MakeApp, header: str) -> None:
    client = make_app(TRUSTED_PROXIES="192.0.2.1").test_client()
    statuses = [client.post("/auth/login", headers={header: unseen_ip()}).status_code for _ in range(31)]

    assert statuses == [415] * 30 + [429]


def test_rate_limit_factor_scales_limits(make_app: MakeApp) -> None:
    assert count_allowed_requests(make_app(RATE_LIMIT_FACTOR="0.1")) == 3
    assert count_allowed_requests(make_app(RATE_LIMIT_FACTOR="2")) == 60


def test_rate_limit_is_divided_among_workers_without_redis(make_app: MakeApp) -> None:
    assert count_allowed_requests(make_app(WEB_CONCURRENCY="3")) == 10


def test_rate_limit_is_shared_across_processes_with_redis(make_app: MakeApp, redis: Redis) -> None:
    apps = [make_app(REDIS_URL=redis.url, WEB_CONCURRENCY="3") for _ in range(2)]
    at = unseen_ip()
    client = apps[0].test_client()
    for _ in range(20):
        client.post("/auth/login", headers=forwarded_for(at))

    assert count_allowed_requests(apps[1], at=at) == 10


def test_rate_limit_is_divided_while_redis_is_unavailable(make_app: MakeApp) -> None:
    assert count_allowed_requests(make_app(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0", WEB_CONCURRENCY="3")) == 10


def test_rate_limit_is_independent_of_wall_clock(app: Flask) -> None:
    count_allowed_requests(app)
    clock.travel(timedelta(seconds=61))

    assert count_allowed_requests(app) == 0
