"""Refresh token rotation: single use, the reuse interval, reuse detection and session lifetimes."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.event import listen
from tests.conftest import MakeApp
from tests.sessions.helpers import INVALID_REFRESH_TOKEN, SessionClient
from tests.support.inspect import audit_events, error_of, query_all, run_concurrently, single_event
from tests.support.users import OTHER_IP, Mailbox

from flaskauth.core import clock
from flaskauth.core.db.session import AUTOCOMMIT, db
from flaskauth.sessions.models import Session

REUSE_INTERVAL = timedelta(seconds=30)
LOST_CONNECTION_ERRORS = {"sqlite": ("database is locked",), "mysql": (2013, "lost")}  # errors that are retried


def test_refresh_returns_next_tokens(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    first = session.refresh_token
    body = session.post_refresh(first).get_json()

    assert set(body) == {"status", "success", "message", "token", "refresh_token", "expired_at", "id"}
    assert (body["message"], body["id"]) == ("Token Successfully refreshed", session.tokens["user"]["id"])
    assert body["refresh_token"].split(".")[:2] == [str(session.session_id), "2"]
    assert session.profile_status(body["token"]) == 200


def test_refresh_increments_generation(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    tokens = [session.refresh() for _ in range(4)]

    assert [token.split(".")[1] for token in tokens] == ["2", "3", "4", "5"]
    assert len({token.split(".")[2] for token in tokens}) == 4


def test_refresh_reuse_in_interval_returns_same_successor(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    first = session.refresh_token
    clock.travel(timedelta(days=1))
    successor = session.refresh()
    clock.travel(REUSE_INTERVAL - timedelta(seconds=5))

    assert session.post_refresh(first).get_json()["refresh_token"] == successor
    assert session.post_refresh(first).get_json()["refresh_token"] == successor
    assert session.profile_status() == 200


def test_refresh_with_lost_commit_is_not_reuse(make_app: MakeApp) -> None:
    """This also holds with a reuse interval of zero, because the client sent the token once."""
    app = make_app(REFRESH_TOKEN_REUSE_INTERVAL="0")
    session = SessionClient.for_new_user(app)
    session.refresh()
    lost_statements: list[str] = []

    def drop_connection(_: Any, _cursor: Any, statement: str, *_args: Any) -> None:
        if "rotated_at" in statement and statement.startswith("UPDATE") and not lost_statements:
            lost_statements.append(statement)
            raise engine.dialect.loaded_dbapi.OperationalError(*LOST_CONNECTION_ERRORS[engine.dialect.name])

    with app.app_context():
        engine = db.get_engine(AUTOCOMMIT)
    listen(engine, "before_cursor_execute", lambda *_: None)  # compiled statements only fire events with this listener
    listen(engine, "after_cursor_execute", drop_connection)
    session.refresh()

    assert lost_statements
    assert session.profile_status() == 200
    assert audit_events(app, "refresh_token_reused") == []


def test_refresh_replay_does_not_extend_reuse_interval(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    first = session.refresh_token
    session.refresh()
    clock.travel(timedelta(seconds=20))
    assert session.post_refresh(first).status_code == 200
    clock.travel(timedelta(seconds=11))

    assert error_of(session.post_refresh(first, at=OTHER_IP)) == INVALID_REFRESH_TOKEN


def test_concurrent_refreshes_return_one_successor(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    responses = run_concurrently([partial(session.post_refresh, session.refresh_token) for _ in range(24)])

    assert [response.status_code for response in responses] == [200] * 24
    assert len({response.get_json()["refresh_token"] for response in responses}) == 1
    assert [row.generation for row in query_all(app, select(Session))] == [2]


def test_concurrent_refreshes_agree_across_processes(app: Flask, make_app: MakeApp) -> None:
    session, other = SessionClient.for_new_user(app), make_app()
    calls = [partial(session.post_refresh, session.refresh_token, app=target) for target in (app, other) * 6]

    assert len({response.get_json()["refresh_token"] for response in run_concurrently(calls)}) == 1


def test_refresh_token_reuse_revokes_session_and_notifies(app: Flask, mailbox: Mailbox) -> None:
    session = SessionClient.for_new_user(app)
    stolen = session.refresh_token
    session.refresh()
    clock.travel(REUSE_INTERVAL)

    response = session.post_refresh(stolen, at=OTHER_IP)
    assert error_of(response) == INVALID_REFRESH_TOKEN
    assert response.get_json()["message"] == "Token expired, please login"
    assert session.is_logged_out()
    event = single_event(app, "refresh_token_reused")
    assert (event.session_id, event.user_id, event.ip) == (session.session_id, session.tokens["user"]["id"], OTHER_IP)
    [mail, *_] = mailbox.wait(2, to="grace@example.com")
    assert mail["subject"] == "We ended a session on flaskauth"
    assert mail["to"] == "grace@example.com"


def test_refresh_reuse_of_older_generation_revokes_session(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    first = session.refresh_token
    session.refresh()
    session.refresh()

    assert error_of(session.post_refresh(first)) == INVALID_REFRESH_TOKEN
    assert session.is_logged_out()


def test_repeated_refresh_reuse_is_reported_once(app: Flask, mailbox: Mailbox) -> None:
    session = SessionClient.for_new_user(app)
    first = session.refresh_token
    session.refresh()
    session.refresh()
    responses = run_concurrently([partial(session.post_refresh, first) for _ in range(8)])

    assert {error_of(response) for response in responses} == {INVALID_REFRESH_TOKEN}
    assert len(audit_events(app, "refresh_token_reused")) == 1
    assert len(mailbox.wait(2, to="grace@example.com")) == 2


def test_refresh_reuse_keeps_other_sessions_of_user(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    other = SessionClient(session.client, session.client.post("/auth/login", json=login_body(session)).get_json())
    first = session.refresh_token
    session.refresh()
    session.refresh()
    session.post_refresh(first)

    assert session.is_logged_out()
    assert other.refresh()


def login_body(session: SessionClient) -> dict[str, str]:
    return {"email": session.tokens["user"]["email"], "password": "seven green kettles"}


def test_refresh_reuse_with_zero_interval_revokes_session(make_app: MakeApp) -> None:
    session = SessionClient.for_new_user(make_app(REFRESH_TOKEN_REUSE_INTERVAL="0"))
    first = session.refresh_token
    session.refresh()

    assert error_of(session.post_refresh(first)) == INVALID_REFRESH_TOKEN
    assert session.is_logged_out()


def test_disabled_rotation_keeps_first_token_valid(make_app: MakeApp) -> None:
    session = SessionClient.for_new_user(make_app(REFRESH_TOKEN_ROTATION="false"))
    first = session.refresh_token
    for _ in range(3):
        clock.travel(timedelta(days=1))
        assert session.refresh() == first

    assert session.profile_status() == 200


def test_disabled_rotation_concurrent_refreshes_agree(make_app: MakeApp) -> None:
    session = SessionClient.for_new_user(make_app(REFRESH_TOKEN_ROTATION="false"))
    responses = run_concurrently([partial(session.post_refresh, session.refresh_token) for _ in range(8)])

    assert {response.get_json()["refresh_token"] for response in responses} == {session.refresh_token}


def test_disabled_rotation_old_token_revokes_nothing(make_app: MakeApp) -> None:
    session, app_without_rotation = SessionClient.for_new_user(make_app()), make_app(REFRESH_TOKEN_ROTATION="false")
    first = session.refresh_token
    newest = session.refresh()
    clock.travel(REUSE_INTERVAL)

    assert error_of(session.post_refresh(first, app=app_without_rotation)) == INVALID_REFRESH_TOKEN
    assert session.post_refresh(newest, app=app_without_rotation).get_json()["refresh_token"] == newest
    assert not audit_events(app_without_rotation, "refresh_token_reused")


def test_session_expires_after_14_idle_days(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    clock.travel(timedelta(days=13))
    session.refresh()
    clock.travel(timedelta(days=14))

    assert error_of(session.post_refresh(session.refresh_token)) == INVALID_REFRESH_TOKEN
    assert not audit_events(app, "refresh_token_reused")


def test_refresh_does_not_extend_absolute_expiry(app: Flask) -> None:
    session, started = SessionClient.for_new_user(app), clock.now()
    for _ in range(2):
        clock.travel(timedelta(days=13))
        session.refresh()
    expires_at = datetime.fromisoformat(session.tokens["expired_at"])
    assert abs(expires_at - started - timedelta(days=30)) < timedelta(minutes=1)

    clock.travel(timedelta(days=4))
    assert error_of(session.post_refresh(session.refresh_token)) == INVALID_REFRESH_TOKEN


def test_session_lifetimes_are_configurable(make_app: MakeApp) -> None:
    session = SessionClient.for_new_user(
        make_app(SESSION_IDLE_TIMEOUT="10", REFRESH_TOKEN_DURATION="25", JWT_DURATION="60")
    )
    for _ in range(2):
        clock.travel(timedelta(minutes=9))
        session.refresh()
    clock.travel(timedelta(minutes=7, seconds=1))

    assert session.is_logged_out()


@pytest.mark.parametrize("interval", ["0", "30"])
def test_refresh_reuse_after_logout_is_rejected(make_app: MakeApp, interval: str) -> None:
    session = SessionClient.for_new_user(make_app(REFRESH_TOKEN_REUSE_INTERVAL=interval))
    first = session.refresh_token
    session.refresh()
    session.client.post("/auth/logout", json={"refresh_token": session.refresh_token})

    assert error_of(session.post_refresh(first)) == INVALID_REFRESH_TOKEN
