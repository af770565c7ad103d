"""Floods are kept off by network, before anything is read, and no dependency's failure lets more through."""

from datetime import timedelta

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.inside import hashes, refused
from tests.login.guessing import HELD, strange_network
from tests.people import HERE, THERE, network
from tests.servers import Redis, free_port

from flaskauth.foundation import clock

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def knocks(app: Flask, at: str = HERE, path: str = "/auth/login") -> int:
    """How many requests of a network are answered until one is refused; bodies are empty, so nothing else refuses."""
    client = app.test_client()
    for number in range(100):
        answer = client.post(path, headers=network(at))
        if answer.status_code == 429:
            assert refused(answer) == HELD
            assert 0 < answer.get_json()["retry_after"] <= 60
            return number
    return 100


def test_thirty_sign_ins_a_minute_may_come_from_one_network(app: Flask) -> None:
    assert knocks(app) == 30
    assert knocks(app) == 0
    assert knocks(app, at=THERE) == 30
    assert hashes(app) == 0


def test_it_is_refused_before_its_body_is_read(app: Flask) -> None:
    knocks(app)

    for sent in ({"data": b"{"}, {"data": b"x" * 2**20, "content_type": "text/plain"}, {"json": {"email": 7}}):
        assert refused(app.test_client().post("/auth/login", headers=network(HERE), **sent)) == HELD


def test_other_calls_of_that_network_are_answered(app: Flask) -> None:
    knocks(app)

    assert app.test_client().post("/auth/refresh", json={}, headers=network(HERE)).status_code == 422


@pytest.mark.parametrize(("path", "most"), [("/auth/register", 10), ("/auth/reauthenticate", 30), ("/auth/resend", 60)])
def test_each_call_has_a_limit_of_its_own(app: Flask, path: str, most: int) -> None:
    assert knocks(app, path=path) == most


def test_an_ipv6_network_is_one_network(app: Flask) -> None:
    assert [knocks(app, at=f"2001:db8::{host}") for host in (1, 2)] == [30, 0]


def test_a_peer_without_an_address_is_limited_too(app: Flask) -> None:
    assert [knocks(app, at=hop) for hop in ("banana", "unknown", "")] == [30, 0, 0]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"])
def test_without_a_trusted_proxy_no_header_changes_the_network(make_app: MakeApp, header: str) -> None:
    client = make_app(TRUSTED_PROXIES="192.0.2.1").test_client()
    told = [client.post("/auth/login", headers={header: strange_network()}).status_code for _ in range(31)]

    assert told == [415] * 30 + [429]


def test_a_factor_scales_the_request_limits(make_app: MakeApp) -> None:
    assert knocks(make_app(REQUEST_LIMITS="0.1")) == 3
    assert knocks(make_app(REQUEST_LIMITS="2")) == 60


def test_processes_that_cannot_count_together_take_their_share(make_app: MakeApp) -> None:
    assert knocks(make_app(WEB_CONCURRENCY="3")) == 10


def test_with_redis_they_count_together(make_app: MakeApp, redis: Redis) -> None:
    apps = [make_app(REDIS_URL=redis.url, WEB_CONCURRENCY="3") for _ in range(2)]
    at = strange_network()
    client = apps[0].test_client()
    for _ in range(20):
        client.post("/auth/login", headers=network(at))

    assert knocks(apps[1], at=at) == 10


def test_while_redis_is_away_they_take_their_share(make_app: MakeApp) -> None:
    assert knocks(make_app(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0", WEB_CONCURRENCY="3")) == 10


def test_moving_our_clock_gives_no_more(app: Flask) -> None:
    knocks(app)
    clock.travel(timedelta(seconds=61))

    assert knocks(app) == 0
