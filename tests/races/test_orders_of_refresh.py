"""A refresh against whatever ends its session, and against another refresh, at whichever step of it."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import Connection, event
from tests.conftest import servers
from tests.inside import events, refused
from tests.people import bearer
from tests.races.orders import COMMIT, crossed, interleaved
from tests.recovery.test_nothing_old_opens import ENDS, Act, Before
from tests.sessions.holding import SIGNED_OUT, Holder
from werkzeug.test import TestResponse

from flaskauth.foundation import clock
from flaskauth.foundation.db import db

pytestmark = pytest.mark.parametrize("database", servers(), indirect=True)

ENDED = (COMMIT, "UPDATE sessions SET")  # the end holds the session's row, and next it is for good
READ = "UPDATE sessions SET"  # the session was read, and next its generation is traded


def signs_out(before: Before) -> Act:
    body = {"refresh_token": before.other.refresh_token}
    return partial(before.app.test_client().post, "/auth/logout", json=body)


def ends_others(before: Before) -> Act:
    return partial(before.app.test_client().delete, "/auth/sessions", headers=bearer(before.mine.token))


ALL_ENDS = {**ENDS, "sign out": signs_out, "end others": ends_others}


def refreshes(before: Before) -> partial[TestResponse]:
    return partial(before.other.presents, before.other.refresh_token, app=before.app)


@pytest.mark.parametrize("end", ALL_ENDS)
def test_a_session_that_was_read_before_its_end_is_not_carried_on(before: Before, end: str) -> None:
    answer, done = interleaved(before.app, READ, refreshes(before), ALL_ENDS[end](before))

    assert done.status_code == 200
    assert refused(answer) == SIGNED_OUT
    assert before.other.is_over()


@pytest.mark.parametrize("end", ALL_ENDS)
def test_a_trade_that_waited_for_the_end_is_refused(before: Before, end: str) -> None:
    done, answer = crossed(before.app, ENDED, ALL_ENDS[end](before), refreshes(before))

    assert done.status_code == 200
    assert refused(answer) == SIGNED_OUT
    assert before.other.is_over()


@pytest.mark.parametrize("end", ALL_ENDS)
def test_tokens_of_a_trade_just_before_the_end_are_dead(before: Before, end: str) -> None:
    answer, done = refreshes(before)(), ALL_ENDS[end](before)()

    assert (answer.status_code, done.status_code) == (200, 200)
    assert Holder(before.people.client, answer.get_json()).is_over()


@pytest.fixture
def servers_default(app: Flask) -> Iterator[None]:
    """Every transaction reads as the servers do by themselves, were READ COMMITTED once forgotten."""

    def forget(connection: Connection) -> None:
        connection.connection.cursor().execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    with app.app_context():
        engine = db.engine
    event.listen(engine, "engine_connect", forget)
    yield
    event.remove(engine, "engine_connect", forget)


def test_who_read_before_another_traded_gets_the_same_successor(app: Flask) -> None:
    holder = Holder.of(app)
    present = partial(holder.presents, holder.refresh_token)
    late, first = interleaved(app, READ, present, present)

    assert (late.status_code, first.status_code) == (200, 200)
    assert late.get_json()["refresh_token"] == first.get_json()["refresh_token"]
    assert holder.presents(first.get_json()["refresh_token"]).status_code == 200


@pytest.mark.usefixtures("servers_default")
def test_so_it_does_under_the_isolation_that_servers_have_by_themselves(app: Flask) -> None:
    holder = Holder.of(app)
    present = partial(holder.presents, holder.refresh_token)
    late, first = interleaved(app, READ, present, present)

    assert (late.status_code, first.status_code) == (200, 200)
    assert late.get_json()["refresh_token"] == first.get_json()["refresh_token"]


def test_who_read_before_two_trades_holds_an_old_token(app: Flask) -> None:
    holder = Holder.of(app)
    late, _ = interleaved(app, READ, partial(holder.presents, holder.refresh_token), partial(trades, holder, 2))

    assert refused(late) == SIGNED_OUT
    assert holder.is_over()
    assert len(events(app, "refresh_token_reused")) == 1


def test_who_read_before_a_trade_and_asks_after_the_grace_holds_an_old_token(app: Flask) -> None:
    holder = Holder.of(app)

    def trade_and_wait() -> None:
        trades(holder, 1)
        clock.travel(timedelta(seconds=31))

    late, _ = interleaved(app, READ, partial(holder.presents, holder.refresh_token), trade_and_wait)
    assert refused(late) == SIGNED_OUT
    assert holder.is_over()


def trades(holder: Holder, times: int) -> None:
    for _ in range(times):
        holder.refreshes()
