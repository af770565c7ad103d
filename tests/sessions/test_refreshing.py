"""Refresh tokens: each good once, the same successor for a moment, the end of the session after it."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.event import listen
from tests.conftest import MakeApp
from tests.inside import events, recorded, refused, rows, together
from tests.people import THERE, Mailbox
from tests.sessions.holding import SIGNED_OUT, Holder

from flaskauth.foundation import clock
from flaskauth.foundation.db import ALONE, db
from flaskauth.sessions.models import Session

GRACE_PERIOD = timedelta(seconds=30)
LOST = {"sqlite": ("database is locked",), "mysql": (2013, "lost")}  # what is run again


def test_trading_gives_the_next_tokens(app: Flask) -> None:
    holder = Holder.of(app)
    first = holder.refresh_token
    answer = holder.presents(first).get_json()

    assert set(answer) == {"status", "success", "message", "token", "refresh_token", "expired_at", "id"}
    assert (answer["message"], answer["id"]) == ("Token Successfully refreshed", holder.tokens["user"]["id"])
    assert answer["refresh_token"].split(".")[:2] == [str(holder.session_id), "2"]
    assert holder.calls(answer["token"]) == 200


def test_a_chain_of_trades_goes_on(app: Flask) -> None:
    holder = Holder.of(app)
    seen = [holder.refreshes() for _ in range(4)]

    assert [token.split(".")[1] for token in seen] == ["2", "3", "4", "5"]
    assert len({token.split(".")[2] for token in seen}) == 4


def test_an_answer_that_was_lost_is_given_again(app: Flask) -> None:
    holder = Holder.of(app)
    first = holder.refresh_token
    clock.travel(timedelta(days=1))
    successor = holder.refreshes()
    clock.travel(GRACE_PERIOD - timedelta(seconds=5))

    assert holder.presents(first).get_json()["refresh_token"] == successor
    assert holder.presents(first).get_json()["refresh_token"] == successor
    assert holder.calls() == 200


def test_a_trade_whose_outcome_the_server_lost_is_its_own_and_no_theft(make_app: MakeApp) -> None:
    """Nor without a grace: the token came once."""
    app = make_app(REFRESH_GRACE="0")
    holder = Holder.of(app)
    holder.refreshes()
    lost: list[str] = []

    def lose(_: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if "traded_at" in statement and statement.startswith("UPDATE") and not lost:
            lost.append(statement)
            raise engine.dialect.loaded_dbapi.OperationalError(*LOST[engine.dialect.name])

    with app.app_context():
        engine = db.get_engine(ALONE)
    listen(engine, "before_cursor_execute", lambda *_: None)  # else nobody is told
    listen(engine, "after_cursor_execute", lose)
    holder.refreshes()

    assert lost
    assert holder.calls() == 200
    assert events(app, "refresh_token_reused") == []


def test_presenting_it_again_makes_the_moment_no_longer(app: Flask) -> None:
    holder = Holder.of(app)
    first = holder.refresh_token
    holder.refreshes()
    clock.travel(timedelta(seconds=20))
    assert holder.presents(first).status_code == 200
    clock.travel(timedelta(seconds=11))

    assert refused(holder.presents(first)) == SIGNED_OUT


def test_two_tabs_and_more_get_one_successor(app: Flask) -> None:
    holder = Holder.of(app)
    answers = together([partial(holder.presents, holder.refresh_token) for _ in range(24)])

    assert [answer.status_code for answer in answers] == [200] * 24
    assert len({answer.get_json()["refresh_token"] for answer in answers}) == 1
    assert [session.generation for session in rows(app, select(Session))] == [2]


def test_two_processes_give_the_same_successor(app: Flask, make_app: MakeApp) -> None:
    holder, other = Holder.of(app), make_app()
    calls = [partial(holder.presents, holder.refresh_token, app=each) for each in (app, other) * 6]

    assert len({answer.get_json()["refresh_token"] for answer in together(calls)}) == 1


def test_an_old_token_ends_the_session_and_its_owner_is_told(app: Flask, mailbox: Mailbox) -> None:
    holder = Holder.of(app)
    stolen = holder.refresh_token
    holder.refreshes()
    clock.travel(GRACE_PERIOD)

    refusal = holder.presents(stolen, at=THERE)
    assert refused(refusal) == SIGNED_OUT
    assert refusal.get_json()["message"] == "Token expired, please login"
    assert holder.is_over()
    event = recorded(app, "refresh_token_reused")
    assert (event.session_id, event.user_id, event.ip) == (holder.session_id, holder.tokens["user"]["id"], THERE)
    [mail, *_] = mailbox.wait(2, to="grace@example.com")
    assert mail["subject"] == "We ended a session on flaskauth"
    assert mail["to"] == "grace@example.com"


def test_two_generations_back_is_old_at_once(app: Flask) -> None:
    holder = Holder.of(app)
    first = holder.refresh_token
    holder.refreshes()
    holder.refreshes()

    assert refused(holder.presents(first)) == SIGNED_OUT
    assert holder.is_over()


def test_a_thief_who_comes_again_and_again_is_told_of_once(app: Flask, mailbox: Mailbox) -> None:
    holder = Holder.of(app)
    first = holder.refresh_token
    holder.refreshes()
    holder.refreshes()
    answers = together([partial(holder.presents, first) for _ in range(8)])

    assert {refused(answer) for answer in answers} == {SIGNED_OUT}
    assert len(events(app, "refresh_token_reused")) == 1
    assert len(mailbox.wait(2, to="grace@example.com")) == 2


def test_the_other_sessions_of_that_person_go_on(app: Flask) -> None:
    holder = Holder.of(app)
    other = Holder(holder.client, holder.client.post("/auth/login", json=credentials(holder)).get_json())
    first = holder.refresh_token
    holder.refreshes()
    holder.refreshes()
    holder.presents(first)

    assert holder.is_over()
    assert other.refreshes()


def credentials(holder: Holder) -> dict[str, str]:
    return {"email": holder.tokens["user"]["email"], "password": "seven green kettles"}


def test_without_grace_a_traded_token_is_old_at_once(make_app: MakeApp) -> None:
    holder = Holder.of(make_app(REFRESH_GRACE="0"))
    first = holder.refresh_token
    holder.refreshes()

    assert refused(holder.presents(first)) == SIGNED_OUT
    assert holder.is_over()


def test_without_rotation_the_first_token_stays_good(make_app: MakeApp) -> None:
    holder = Holder.of(make_app(REFRESH_ROTATION="false"))
    first = holder.refresh_token
    for _ in range(3):
        clock.travel(timedelta(days=1))
        assert holder.refreshes() == first

    assert holder.calls() == 200


def test_without_rotation_many_at_once_get_the_same(make_app: MakeApp) -> None:
    holder = Holder.of(make_app(REFRESH_ROTATION="false"))
    answers = together([partial(holder.presents, holder.refresh_token) for _ in range(8)])

    assert {answer.get_json()["refresh_token"] for answer in answers} == {holder.refresh_token}


def test_without_rotation_an_old_token_ends_nothing(make_app: MakeApp) -> None:
    holder, kept = Holder.of(make_app()), make_app(REFRESH_ROTATION="false")
    first = holder.refresh_token
    newest = holder.refreshes()
    clock.travel(GRACE_PERIOD)

    assert refused(holder.presents(first, app=kept)) == SIGNED_OUT
    assert holder.presents(newest, app=kept).get_json()["refresh_token"] == newest
    assert not events(kept, "refresh_token_reused")


def test_a_session_ends_after_two_weeks_without_use(app: Flask) -> None:
    holder = Holder.of(app)
    clock.travel(timedelta(days=13))
    holder.refreshes()
    clock.travel(timedelta(days=14))

    assert refused(holder.presents(holder.refresh_token)) == SIGNED_OUT
    assert not events(app, "refresh_token_reused")


def test_use_does_not_carry_it_over_its_absolute_end(app: Flask) -> None:
    holder, begun = Holder.of(app), clock.now()
    for _ in range(2):
        clock.travel(timedelta(days=13))
        holder.refreshes()
    ends = datetime.fromisoformat(holder.tokens["expired_at"])
    assert abs(ends - begun - timedelta(days=30)) < timedelta(minutes=1)

    clock.travel(timedelta(days=4))
    assert refused(holder.presents(holder.refresh_token)) == SIGNED_OUT


def test_its_ends_are_settings(make_app: MakeApp) -> None:
    holder = Holder.of(make_app(SESSION_IDLE_DURATION="10", REFRESH_TOKEN_DURATION="25", JWT_DURATION="60"))
    for _ in range(2):
        clock.travel(timedelta(minutes=9))
        holder.refreshes()
    clock.travel(timedelta(minutes=7, seconds=1))

    assert holder.is_over()


@pytest.mark.parametrize("grace", ["0", "30"])
def test_an_answer_asked_again_after_the_session_ended_is_refused(make_app: MakeApp, grace: str) -> None:
    holder = Holder.of(make_app(REFRESH_GRACE=grace))
    first = holder.refresh_token
    holder.refreshes()
    holder.client.post("/auth/logout", json={"refresh_token": holder.refresh_token})

    assert refused(holder.presents(first)) == SIGNED_OUT
