"""A lost response: the refresh token is sent again after the reuse interval, while its successor is unused."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.sessions.helpers import INVALID_REFRESH_TOKEN, SessionClient
from tests.support.inspect import audit_events, error_of, query_all, run_concurrently, single_event
from tests.support.users import OTHER_IP, PASSWORD, forwarded_for

from flaskauth.core import clock
from flaskauth.sessions.models import Session
from flaskauth.sessions.service import LATE_REPLAY_LIMIT

LATE = timedelta(seconds=33)


def start_session(app: Flask, **login: Any) -> tuple[SessionClient, str]:
    """Return a session whose first refresh token was rotated 33 seconds ago, and that token."""
    session = SessionClient.for_new_user(app, **login)
    first = session.refresh_token
    session.refresh()
    clock.travel(LATE)
    return session, first


def test_late_refresh_replay_returns_same_successor(app: Flask) -> None:
    session, first = start_session(app)
    response = session.post_refresh(first)

    assert response.get_json()["refresh_token"] == session.refresh_token
    assert session.profile_status(response.get_json()["token"]) == 200
    event = single_event(app, "refresh_token_replayed")
    assert (event.session_id, event.user_id) == (session.session_id, session.tokens["user"]["id"])
    assert [row.generation for row in query_all(app, select(Session))] == [2]
    assert not audit_events(app, "refresh_token_reused")


def test_late_refresh_replay_allows_the_next_refresh(app: Flask) -> None:
    session, first = start_session(app)
    clock.travel(timedelta(days=6))
    successor = session.post_refresh(first).get_json()["refresh_token"]

    assert session.post_refresh(successor).get_json()["refresh_token"].split(".")[1] == "3"


def test_late_replay_from_other_network_revokes_session(app: Flask) -> None:
    session, first = start_session(app)

    assert error_of(session.post_refresh(first, at=OTHER_IP)) == INVALID_REFRESH_TOKEN
    assert session.is_logged_out()
    assert single_event(app, "refresh_token_reused").ip == OTHER_IP


def test_late_replay_from_network_of_other_user_revokes(app: Flask) -> None:
    SessionClient.for_new_user(app, "ada@example.com", at=OTHER_IP)
    session, first = start_session(app)

    assert error_of(session.post_refresh(first, at=OTHER_IP)) == INVALID_REFRESH_TOKEN


def test_late_replay_from_second_network_of_user_succeeds(app: Flask) -> None:
    session, first = start_session(app)
    body = {"email": session.tokens["user"]["email"], "password": PASSWORD}
    assert session.client.post("/auth/login", json=body, headers=forwarded_for(OTHER_IP)).status_code == 200

    assert session.post_refresh(first, at=OTHER_IP).get_json()["refresh_token"] == session.refresh_token


def test_late_replay_after_use_of_successor_revokes(app: Flask) -> None:
    session, first = start_session(app)
    session.refresh()

    assert error_of(session.post_refresh(first)) == INVALID_REFRESH_TOKEN
    assert session.is_logged_out()
    assert not audit_events(app, "refresh_token_replayed")


def test_eleventh_late_replay_in_a_day_revokes_session(app: Flask) -> None:
    session, first = start_session(app)
    for _ in range(LATE_REPLAY_LIMIT.limit):
        assert session.post_refresh(first).status_code == 200
    assert len(audit_events(app, "refresh_token_replayed")) == 10

    assert error_of(session.post_refresh(first)) == INVALID_REFRESH_TOKEN
    assert session.is_logged_out()


def test_late_replays_are_counted_per_session_and_day(app: Flask) -> None:
    session, first = start_session(app)
    other = SessionClient(session.client, session.client.post("/auth/login", json=login_body(session)).get_json())
    other_first = other.refresh_token
    other.refresh()
    clock.travel(LATE)
    for _ in range(LATE_REPLAY_LIMIT.limit):
        assert session.post_refresh(first).status_code == 200
    assert other.post_refresh(other_first, at="127.0.0.1").status_code == 200
    clock.travel(timedelta(days=1))

    assert session.post_refresh(first).status_code == 200


def test_concurrent_late_replays_stay_within_the_limit(app: Flask) -> None:
    session, first = start_session(app)
    responses = run_concurrently([partial(session.post_refresh, first) for _ in range(14)])
    successors = {response.get_json().get("refresh_token") for response in responses if response.status_code == 200}

    assert successors <= {session.refresh_token}
    assert len(audit_events(app, "refresh_token_replayed")) <= LATE_REPLAY_LIMIT.limit
    assert session.is_logged_out()
    assert single_event(app, "refresh_token_reused").session_id == session.session_id


@pytest.mark.parametrize("settings", [{"REFRESH_TOKEN_REUSE_INTERVAL": "0"}, {"REFRESH_TOKEN_ROTATION": "false"}])
def test_late_replay_is_rejected_in_strict_modes(make_app: MakeApp, settings: dict[str, str]) -> None:
    session, first = start_session(make_app())

    assert error_of(session.post_refresh(first, app=make_app(**settings))) == INVALID_REFRESH_TOKEN
    assert session.is_logged_out() == ("REFRESH_TOKEN_REUSE_INTERVAL" in settings)


def login_body(session: SessionClient) -> dict[str, str]:
    return {"email": session.tokens["user"]["email"], "password": PASSWORD}
