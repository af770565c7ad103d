"""No budget that guards somebody is had anew: not by a restart, not by another process, not with Redis flushed or away.

The coarse limits by network are other: they begin anew with Redis, and are shared out where there is none.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from redis import Redis as Client
from sqlalchemy import select
from tests.avatars.wearing import Wearer
from tests.conftest import MakeApp
from tests.email_change.asking import ask as ask_for_address
from tests.inside import refused, rows
from tests.login.guessing import HELD, Guesser, strange_network
from tests.passwords.asking import reset
from tests.people import HERE, People, bearer, network
from tests.registration.asking import GRACE_AT, NOT_IT, attempt, elsewhere, register, verify
from tests.servers import Redis
from tests.sessions.holding import Holder
from werkzeug.test import TestResponse

from flaskauth.mail.models import WITHHELD, OutboxMail

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

Ask = Callable[[Flask], TestResponse]


@pytest.fixture(scope="module")
def own_redis() -> Iterator[Redis]:
    """One that may be flushed and stopped."""
    with Redis() as server:
        yield server


def password(app: Flask) -> Ask:
    """A guess at an account's password."""
    People(app).joined()
    return lambda served: Guesser(served, at=HERE).tries()


def code(door: str) -> Callable[[Flask], Ask]:
    def asked(app: Flask) -> Ask:
        """A guess at the code of an attempt."""
        waiting = attempt(People(app))
        return lambda served: verify(served.test_client(), NOT_IT, HERE, **waiting.door(door))

    return asked


def reset_code(_app: Flask) -> Ask:
    return lambda served: reset(served.test_client(), NOT_IT, HERE, email=GRACE_AT)


def change_of_address(app: Flask) -> Ask:
    token = Holder.of(app).token
    return lambda served: ask_for_address(served.test_client(), token, f"{elsewhere()}@example.com", elsewhere())


def taking_along(app: Flask) -> Ask:
    token = Holder.of(app).token
    return lambda served: served.test_client().get("/users/export", headers={**bearer(token), **network(HERE)})


def picture(app: Flask) -> Ask:
    """A file that is none counts too: it was looked at."""
    wearer = Wearer.joined(app)
    return lambda served: replace(wearer, app=served).put(b"no picture")


# What is asked, and how often it is answered.
BUDGETS: dict[str, tuple[Callable[[Flask], Ask], int]] = {
    "password": (password, 5),
    "code by id": (code("by id"), 5),
    "code by address": (code("by email"), 5),
    "code alone": (code("alone"), 10),
    "code of a reset": (reset_code, 5),
    "change of address": (change_of_address, 5),
    "export": (taking_along, 5),
    "picture": (picture, 30),
}


def flush(server: Redis) -> None:
    with Client.from_url(server.url) as client:
        client.flushall()


@pytest.mark.parametrize("budget", BUDGETS)
def test_what_is_spent_stays_spent(make_app: MakeApp, own_redis: Redis, budget: str) -> None:
    begin, most = BUDGETS[budget]
    ask = begin(make_app())
    one, other = (make_app(REDIS_URL=own_redis.url, WEB_CONCURRENCY="2") for _ in range(2))
    assert 429 not in [ask((one, other)[turn % 2]).status_code for turn in range(most)]

    flush(own_redis)
    assert refused(ask(one)) == HELD
    assert refused(ask(make_app(REDIS_URL=own_redis.url))) == HELD
    own_redis.kill()
    assert [refused(ask(served)) for served in (one, other, make_app())] == [HELD] * 3
    own_redis.start()


def test_mails_that_strangers_ask_for_stay_counted(make_app: MakeApp, own_redis: Redis) -> None:
    words = ("eleven blue", "seventeen red", "nineteen green", "twenty brown", "thirty grey")
    one, other = (make_app(REDIS_URL=own_redis.url) for _ in range(2))
    for served, word in zip((one, other, one), words, strict=False):
        register(served.test_client(), password=f"{word} lanterns")
    flush(own_redis)
    for served, word in zip((other, make_app()), words[3:], strict=True):
        register(served.test_client(), password=f"{word} lanterns")

    states = rows(one, select(OutboxMail.state).order_by(OutboxMail.id))
    assert [state == WITHHELD for state in states] == [False] * 3 + [True] * 2


def knocks(app: Flask, at: str) -> int:
    """How many sign-ins of a network are answered; their bodies are empty, so nothing else refuses them."""
    asked = (app.test_client().post("/auth/login", headers=network(at)).status_code for _ in range(40))
    return next((number for number, status in enumerate(asked) if status == 429), 40)


def test_request_limits_are_shared_out_where_there_is_no_redis(make_app: MakeApp) -> None:
    """However a balancer spreads what one network sends, no more than the limit is answered in all."""
    at = strange_network()

    assert [knocks(make_app(WEB_CONCURRENCY="3"), at) for _ in range(3)] == [10, 10, 10]


def test_request_limits_are_shared_out_while_redis_is_away(make_app: MakeApp, own_redis: Redis) -> None:
    apps = [make_app(REDIS_URL=own_redis.url, WEB_CONCURRENCY="2") for _ in range(2)]
    at = strange_network()
    assert knocks(apps[0], at) == 30
    own_redis.kill()
    assert [knocks(app, at) for app in apps] == [15, 15]
    own_redis.start()


def test_request_limits_begin_anew_with_redis_and_no_budget_does(make_app: MakeApp, own_redis: Redis) -> None:
    app, at = make_app(REDIS_URL=own_redis.url), strange_network()
    assert [knocks(app, at), knocks(app, at)] == [30, 0]
    flush(own_redis)
    assert knocks(app, at) == 30
