"""Refreshes of several sessions in one batch: each gets the response that it would get alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, text
from tests.concurrency.interleaving import statement_listener
from tests.conftest import MakeApp, sql_servers
from tests.sessions.helpers import SessionClient
from tests.support.inspect import audit_events, engine_listeners
from tests.support.rsgi import Request, Response, RSGIClient, profile_request, refresh_request, rsgi_client
from tests.support.users import PASSWORD, TestUser

from flaskauth.core.db.session import AUTOCOMMIT, db
from flaskauth.server.fast_path import VIEWS

TIMEOUT = 20.0  # seconds
ROTATION = "UPDATE sessions SET"
LOST_CONNECTION_ERRORS: dict[str, tuple[object, ...]] = {"sqlite": ("disk I/O error",), "mysql": (2013, "lost")}


def log_in(app: Flask, count: int = 3) -> list[SessionClient]:
    """Return sessions of one user."""
    first = SessionClient.for_new_user(app)
    user = TestUser(first.client, "grace@example.com", PASSWORD)
    return [first, *(SessionClient(first.client, user.login_ok()) for _ in range(count - 1))]


@pytest.fixture
def sessions(app: Flask) -> list[SessionClient]:
    return log_in(app)


def send_in_one_batch(app: Flask, requests: Sequence[Request]) -> list[Response]:
    """Send the requests while another one is processed, so that they are processed in one batch."""
    kind, batches, clients = (requests[0].method, requests[0].path), list[int](), list[RSGIClient]()
    endpoint, view, _ = VIEWS[kind]

    def held_view(environs: Sequence[Any]) -> Any:
        batches.append(len(environs))
        deadline = time.monotonic() + TIMEOUT
        while len(batches) == 1 and clients[0].waiting(*kind) < len(requests) and time.monotonic() < deadline:
            time.sleep(0.001)
        return view(environs)

    with rsgi_client(app, {kind: (endpoint, held_view, 1)}) as client:
        clients.append(client)
        first = profile_request("x") if kind[0] == "GET" else refresh_request("1.1.AAAA")
        responses = client.send_all([first, *requests])[1:]
    assert batches == [1, len(requests)]
    return responses


def refresh_all(app: Flask, sessions: Sequence[SessionClient]) -> list[Response]:
    return send_in_one_batch(app, [refresh_request(session.refresh_token) for session in sessions])


def assert_rotated_once(responses: Sequence[Response], sessions: Sequence[SessionClient]) -> None:
    """Check that each session got its second token, which is valid."""
    tokens = [response.json["refresh_token"] for response in responses]
    assert [token.split(".")[:2] for token in tokens] == [[str(session.session_id), "2"] for session in sessions]
    assert {sessions[0].post_refresh(token).status_code for token in tokens} == {200}


def log_out(session: SessionClient) -> None:
    body = {"refresh_token": session.refresh_token}
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(session.client.post, "/auth/logout", json=body).result(TIMEOUT).status_code == 200


def test_batch_refreshes_each_session(app: Flask) -> None:
    sessions = log_in(app, 5)
    responses = refresh_all(app, sessions)

    assert not any(response.is_by_flask for response in responses)
    assert_rotated_once(responses, sessions)


def test_batch_with_a_session_twice_returns_one_successor(app: Flask, sessions: list[SessionClient]) -> None:
    responses = refresh_all(app, [sessions[0], *sessions])

    assert [response.is_by_flask for response in responses] == [False, True, False, False]
    assert responses[0].json["refresh_token"] == responses[1].json["refresh_token"]
    assert_rotated_once(responses[1:], sessions)


def test_batch_with_a_session_twice_is_reuse_if_strict(make_app: MakeApp) -> None:
    """Without a reuse interval, the second use is not taken for a retry of the first one."""
    app = make_app(REFRESH_TOKEN_REUSE_INTERVAL="0")
    sessions = log_in(app)
    responses = refresh_all(app, [sessions[0], *sessions])

    assert [response.status for response in responses] == [200, 401, 200, 200]
    assert [event.session_id for event in audit_events(app, "refresh_token_reused")] == [sessions[0].session_id]
    assert sessions[0].is_logged_out()


def test_batch_with_current_and_rotated_token_is_reuse(app: Flask, sessions: list[SessionClient]) -> None:
    rotated = sessions[0].refresh_token
    tokens = [sessions[0].refresh(), rotated, sessions[1].refresh_token]  # the second one is two generations behind
    responses = send_in_one_batch(app, [refresh_request(token) for token in tokens])

    assert [response.status for response in responses] == [200, 401, 200]
    assert [event.session_id for event in audit_events(app, "refresh_token_reused")] == [sessions[0].session_id]
    assert sessions[0].is_logged_out()
    assert sessions[1].profile_status() == 200


def test_batch_with_invalid_tokens_refreshes_the_others(app: Flask) -> None:
    sessions = log_in(app, 4)
    log_out(sessions[0])
    forged = f"{sessions[1].session_id}.1.{sessions[2].refresh_token.rpartition('.')[2]}"
    requests = [refresh_request(forged), *(refresh_request(session.refresh_token) for session in sessions[2:])]
    responses = send_in_one_batch(app, [refresh_request(sessions[0].refresh_token), *requests])

    assert [response.status for response in responses] == [401, 401, 200, 200]
    assert [response.is_by_flask for response in responses] == [True, True, False, False]
    assert_rotated_once(responses[2:], sessions[2:])
    assert sessions[1].profile_status() == 200


def test_batch_that_loses_a_race_refreshes_the_others(app: Flask, sessions: list[SessionClient]) -> None:
    to_revoke = [sessions[0]]

    def revoke_before_rotation(statement: str) -> None:
        if statement.startswith(ROTATION) and to_revoke:
            log_out(to_revoke.pop())

    with statement_listener(app, revoke_before_rotation):
        responses = refresh_all(app, sessions)

    assert not to_revoke
    assert [response.status for response in responses] == [401, 200, 200]
    assert_rotated_once(responses[1:], sessions[1:])
    assert audit_events(app, "refresh_token_reused") == []


@pytest.mark.parametrize("event", ["before_cursor_execute", "after_cursor_execute"])
def test_batch_with_a_lost_connection_is_not_reuse(make_app: MakeApp, event: str) -> None:
    """The rotation is lost before it is executed, or after its commit."""
    app = make_app(REFRESH_TOKEN_REUSE_INTERVAL="0")
    sessions, lost = log_in(app), list[str]()
    with app.app_context():
        dialect = db.engine.dialect

    def lose_connection(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if "rotated_at=" in statement and not lost:
            lost.append(statement)
            raise dialect.loaded_dbapi.OperationalError(*LOST_CONNECTION_ERRORS[dialect.name])

    listeners: dict[str, Callable[..., object]] = {"before_cursor_execute": lambda *_: None, event: lose_connection}
    with engine_listeners(app, **listeners):
        responses = refresh_all(app, sessions)

    assert lost
    assert_rotated_once(responses, sessions)
    assert audit_events(app, "refresh_token_reused") == []


def test_profile_batch_answers_each_request_alone(app: Flask) -> None:
    sessions = log_in(app, 4)
    log_out(sessions[1])
    tokens = [*(session.token for session in sessions), "x", sessions[0].token]
    responses = send_in_one_batch(app, [profile_request(token) for token in tokens])

    assert [response.status for response in responses] == [200, 401, 200, 200, 401, 200]
    assert [response.is_by_flask for response in responses] == [False, True, False, False, True, False]
    assert len({response.request_id for response in responses}) == 6


@contextmanager
def locked_session(app: Flask, session_id: int) -> Iterator[None]:
    """Hold the row lock of a session."""
    with app.app_context():
        engine = db.engine
    with engine.begin() as connection:
        connection.execute(text(f"SELECT id FROM sessions WHERE id = {session_id} FOR UPDATE"))
        yield


@pytest.mark.parametrize("database", sql_servers(), indirect=True)
def test_batch_with_a_locked_session_refreshes_the_others(app: Flask, sessions: list[SessionClient]) -> None:
    """The batch does not wait for the lock. Flask waits for it alone."""
    requests = [refresh_request(session.refresh_token) for session in sessions]
    deadline = time.monotonic() + TIMEOUT
    with ThreadPoolExecutor(1) as pool:
        with locked_session(app, sessions[0].session_id):
            future = pool.submit(send_in_one_batch, app, requests)
            while not all(request.response for request in requests[1:]) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert not requests[0].response
        responses = future.result(TIMEOUT)

    assert [response.is_by_flask for response in responses] == [True, False, False]
    assert_rotated_once(responses, sessions)


@pytest.mark.parametrize("database", sql_servers(), indirect=True)
def test_batch_after_killed_connections_is_answered(app: Flask, sessions: list[SessionClient]) -> None:
    assert {response.status for response in refresh_all(app, sessions)} == {200}
    with app.app_context():
        engine = db.get_engine(AUTOCOMMIT)
    kill_other_connections(engine)
    requests = [profile_request(session.token) for session in sessions]

    assert {response.status for response in send_in_one_batch(app, requests)} == {200}
    kill_other_connections(engine)
    assert {response.status for response in refresh_all(app, sessions)} == {200}


def kill_other_connections(engine: Engine) -> None:
    own = create_engine(engine.url, isolation_level="AUTOCOMMIT")
    with own.connect() as connection:
        processes = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id != CONNECTION_ID()"
        for number in connection.scalars(text(processes)).all():
            connection.execute(text(f"KILL {number}"))
    own.dispose()
