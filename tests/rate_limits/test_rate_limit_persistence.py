"""Rate limits that protect accounts survive a restart, a second process and the loss of Redis.

The coarse limits per network do too where a process has counted. Without Redis, they are divided among the workers.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from redis import Redis as Client
from sqlalchemy import select
from tests.avatars.helpers import AvatarUser
from tests.conftest import MakeApp
from tests.email_change.helpers import request_change as post_email_change
from tests.login.helpers import TOO_MANY_REQUESTS, LoginClient, unseen_ip
from tests.passwords.helpers import reset_password
from tests.registration.helpers import GRACE_EMAIL, WRONG_CODE, register, start_registration, unused_ip, verify
from tests.servers import Redis
from tests.sessions.helpers import SessionClient
from tests.support.inspect import error_of, query_all, reconcile_request_limits
from tests.support.users import CLIENT_IP, UserFactory, bearer, forwarded_for
from werkzeug.test import TestResponse

from flaskauth.mail.models import SUPPRESSED, OutboxMail

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

LIMIT = {"RATE_LIMIT_LOGIN": "30/minute"}
SendRequest = Callable[[Flask], TestResponse]


@pytest.fixture(scope="module")
def own_redis() -> Iterator[Redis]:
    """Start a Redis server that tests may flush and stop."""
    with Redis() as server:
        yield server


def guess_password(app: Flask) -> SendRequest:
    """Return a sender of wrong passwords for one account."""
    UserFactory(app).create_verified()
    return lambda target_app: LoginClient(target_app, ip=CLIENT_IP).login()


def guess_code(method: str) -> Callable[[Flask], SendRequest]:
    def prepare(app: Flask) -> SendRequest:
        """Return a sender of wrong codes for one pending registration."""
        registration = start_registration(UserFactory(app))
        return lambda target_app: verify(
            target_app.test_client(), WRONG_CODE, CLIENT_IP, **registration.identifier(method)
        )

    return prepare


def guess_reset_code(_app: Flask) -> SendRequest:
    return lambda target_app: reset_password(target_app.test_client(), WRONG_CODE, CLIENT_IP, email=GRACE_EMAIL)


def request_email_change(app: Flask) -> SendRequest:
    token = SessionClient.for_new_user(app).token
    return lambda target_app: post_email_change(
        target_app.test_client(), token, f"{unused_ip()}@example.com", unused_ip()
    )


def export_account(app: Flask) -> SendRequest:
    token = SessionClient.for_new_user(app).token
    return lambda target_app: target_app.test_client().get(
        "/users/export", headers={**bearer(token), **forwarded_for(CLIENT_IP)}
    )


def upload_avatar(app: Flask) -> SendRequest:
    """Return a sender of invalid images, which count because the server decodes them."""
    avatar_user = AvatarUser.create(app)
    return lambda target_app: replace(avatar_user, app=target_app).put(b"not an image")


# Each rate limit: a function that returns a sender of requests, and how many requests are allowed.
RATE_LIMITS: dict[str, tuple[Callable[[Flask], SendRequest], int]] = {
    "password": (guess_password, 5),
    "code by id": (guess_code("by id"), 5),
    "code by email": (guess_code("by email"), 5),
    "code only": (guess_code("by code"), 10),
    "reset code": (guess_reset_code, 5),
    "email change": (request_email_change, 5),
    "export": (export_account, 5),
    "avatar": (upload_avatar, 30),
}


def flush_redis(server: Redis) -> None:
    with Client.from_url(server.url) as client:
        client.flushall()


@pytest.mark.parametrize("rate_limit", RATE_LIMITS)
def test_rate_limit_survives_redis_loss_and_restart(make_app: MakeApp, own_redis: Redis, rate_limit: str) -> None:
    make_sender, limit = RATE_LIMITS[rate_limit]
    send = make_sender(make_app())
    first_app, second_app = (make_app(REDIS_URL=own_redis.url, WEB_CONCURRENCY="2") for _ in range(2))
    assert 429 not in [send((first_app, second_app)[number % 2]).status_code for number in range(limit)]

    flush_redis(own_redis)
    assert error_of(send(first_app)) == TOO_MANY_REQUESTS
    assert error_of(send(make_app(REDIS_URL=own_redis.url))) == TOO_MANY_REQUESTS
    own_redis.kill()
    assert [error_of(send(target_app)) for target_app in (first_app, second_app, make_app())] == [TOO_MANY_REQUESTS] * 3
    own_redis.start()


def test_mail_rate_limit_survives_redis_flush(make_app: MakeApp, own_redis: Redis) -> None:
    words = ("eleven blue", "seventeen red", "nineteen green", "twenty brown", "thirty grey")
    first_app, second_app = (make_app(REDIS_URL=own_redis.url) for _ in range(2))
    for target_app, word in zip((first_app, second_app, first_app), words, strict=False):
        register(target_app.test_client(), password=f"{word} lanterns")
    flush_redis(own_redis)
    for target_app, word in zip((second_app, make_app()), words[3:], strict=True):
        register(target_app.test_client(), password=f"{word} lanterns")

    states = query_all(first_app, select(OutboxMail.state).order_by(OutboxMail.id))
    assert [state == SUPPRESSED for state in states] == [False] * 3 + [True] * 2


def count_allowed_logins(app: Flask, at: str, attempts: int = 40) -> int:
    """Return how many login requests of a network pass the limit. The bodies are empty."""
    statuses = (app.test_client().post("/auth/login", headers=forwarded_for(at)).status_code for _ in range(attempts))
    return next((number for number, status in enumerate(statuses) if status == 429), attempts)


def test_request_rate_limit_is_divided_without_redis(make_app: MakeApp) -> None:
    """Workers without Redis share the limit, however a load balancer distributes the requests of one network."""
    at = unseen_ip()

    assert [count_allowed_logins(make_app(WEB_CONCURRENCY="3", **LIMIT), at) for _ in range(3)] == [10, 10, 10]


def test_request_rate_limit_is_divided_while_redis_is_down(make_app: MakeApp, own_redis: Redis) -> None:
    apps = [make_app(REDIS_URL=own_redis.url, WEB_CONCURRENCY="2", **LIMIT) for _ in range(2)]
    at = unseen_ip()
    reconcile_request_limits(*apps)
    assert count_allowed_logins(apps[0], at) == 30
    own_redis.kill()
    reconcile_request_limits(*apps)
    assert [count_allowed_logins(app, at) for app in apps] == [0, 15]
    own_redis.start()


def test_request_rate_limit_counts_again_when_redis_is_back(make_app: MakeApp, own_redis: Redis) -> None:
    """The requests that a process counted during an outage are added when it is over."""
    apps = [make_app(REDIS_URL=own_redis.url, WEB_CONCURRENCY="2", **LIMIT) for _ in range(2)]
    at = unseen_ip()
    own_redis.kill()
    reconcile_request_limits(*apps)
    assert count_allowed_logins(apps[0], at) == 15
    own_redis.start()
    reconcile_request_limits(*apps)
    assert count_allowed_logins(apps[0], at) == 15
    reconcile_request_limits(apps[0])
    assert count_allowed_logins(make_restarted(make_app, own_redis, at), at) == 0


def make_restarted(make_app: MakeApp, own_redis: Redis, at: str) -> Flask:
    """Return a process that has started and has read the counts of a network since its first request."""
    app = make_app(REDIS_URL=own_redis.url, WEB_CONCURRENCY="2", **LIMIT)
    count_allowed_logins(app, at, attempts=1)
    reconcile_request_limits(app)
    return app


def test_request_rate_limit_survives_restart_with_redis(make_app: MakeApp, own_redis: Redis) -> None:
    app, at = make_app(REDIS_URL=own_redis.url, **LIMIT), unseen_ip()
    reconcile_request_limits(app)
    assert count_allowed_logins(app, at, attempts=20) == 20
    reconcile_request_limits(app)

    assert count_allowed_logins(make_restarted(make_app, own_redis, at), at) == 9


def test_request_rate_limit_survives_redis_flush(make_app: MakeApp, own_redis: Redis) -> None:
    app, at = make_app(REDIS_URL=own_redis.url, **LIMIT), unseen_ip()
    reconcile_request_limits(app)
    assert [count_allowed_logins(app, at), count_allowed_logins(app, at)] == [30, 0]
    reconcile_request_limits(app)
    flush_redis(own_redis)
    assert count_allowed_logins(app, at) == 0
    reconcile_request_limits(app)
    assert count_allowed_logins(app, at) == 0
