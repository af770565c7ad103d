"""A refresh interleaved with every revocation and with a second refresh."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import Connection, event
from tests.concurrency.interleaving import COMMIT, run_interleaved, run_overlapping
from tests.conftest import sql_servers
from tests.security_alerts.helpers import REVOCATIONS, Action, ActiveAccount
from tests.sessions.helpers import INVALID_REFRESH_TOKEN, SessionClient
from tests.support.inspect import audit_events, error_of
from tests.support.users import OTHER_IP, bearer
from werkzeug.test import TestResponse

from flaskauth.core import clock
from flaskauth.core.db.session import db

pytestmark = pytest.mark.parametrize("database", sql_servers(), indirect=True)

BEFORE_REVOCATION_COMMIT = (COMMIT, "UPDATE sessions SET")  # the revocation holds the row lock, before its commit
BEFORE_ROTATION = "UPDATE sessions SET"  # the session was read, before the rotation


def logout_action(account: ActiveAccount) -> Action:
    body = {"refresh_token": account.other_session.refresh_token}
    return partial(account.app.test_client().post, "/auth/logout", json=body)


def revoke_others_action(account: ActiveAccount) -> Action:
    return partial(account.app.test_client().delete, "/auth/sessions", headers=bearer(account.own_session.token))


ALL_REVOCATIONS = {**REVOCATIONS, "logout": logout_action, "revoke others": revoke_others_action}


def refresh_action(account: ActiveAccount) -> partial[TestResponse]:
    return partial(account.other_session.post_refresh, account.other_session.refresh_token, app=account.app)


@pytest.mark.parametrize("revocation", ALL_REVOCATIONS)
def test_refresh_read_before_revocation_is_rejected(account: ActiveAccount, revocation: str) -> None:
    response, revoke_response = run_interleaved(
        account.app, BEFORE_ROTATION, refresh_action(account), ALL_REVOCATIONS[revocation](account)
    )

    assert revoke_response.status_code == 200
    assert error_of(response) == INVALID_REFRESH_TOKEN
    assert account.other_session.is_logged_out()


@pytest.mark.parametrize("revocation", ALL_REVOCATIONS)
def test_refresh_waiting_for_revocation_is_rejected(account: ActiveAccount, revocation: str) -> None:
    revoke_response, response = run_overlapping(
        account.app, BEFORE_REVOCATION_COMMIT, ALL_REVOCATIONS[revocation](account), refresh_action(account)
    )

    assert revoke_response.status_code == 200
    assert error_of(response) == INVALID_REFRESH_TOKEN
    assert account.other_session.is_logged_out()


@pytest.mark.parametrize("revocation", ALL_REVOCATIONS)
def test_tokens_refreshed_before_revocation_are_revoked(account: ActiveAccount, revocation: str) -> None:
    response, revoke_response = refresh_action(account)(), ALL_REVOCATIONS[revocation](account)()

    assert (response.status_code, revoke_response.status_code) == (200, 200)
    assert SessionClient(account.users.client, response.get_json()).is_logged_out()


@pytest.fixture
def repeatable_read(app: Flask) -> Iterator[None]:
    """Use the default isolation level of the servers, as if READ COMMITTED were missing."""

    def set_repeatable_read(connection: Connection) -> None:
        connection.connection.cursor().execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    with app.app_context():
        engine = db.engine
    event.listen(engine, "engine_connect", set_repeatable_read)
    yield
    event.remove(engine, "engine_connect", set_repeatable_read)
    engine.dispose()  # the next tests share the engine, and its connections keep the level


def test_interleaved_refresh_returns_the_same_successor(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    refresh = partial(session.post_refresh, session.refresh_token)
    late_response, first_response = run_interleaved(app, BEFORE_ROTATION, refresh, refresh)

    assert (late_response.status_code, first_response.status_code) == (200, 200)
    assert late_response.get_json()["refresh_token"] == first_response.get_json()["refresh_token"]
    assert session.post_refresh(first_response.get_json()["refresh_token"]).status_code == 200


@pytest.mark.usefixtures("repeatable_read")
def test_interleaved_refresh_works_under_repeatable_read(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    refresh = partial(session.post_refresh, session.refresh_token)
    late_response, first_response = run_interleaved(app, BEFORE_ROTATION, refresh, refresh)

    assert (late_response.status_code, first_response.status_code) == (200, 200)
    assert late_response.get_json()["refresh_token"] == first_response.get_json()["refresh_token"]


def test_refresh_two_generations_behind_is_reuse(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    late_response, _ = run_interleaved(
        app, BEFORE_ROTATION, partial(session.post_refresh, session.refresh_token), partial(refresh_times, session, 2)
    )

    assert error_of(late_response) == INVALID_REFRESH_TOKEN
    assert session.is_logged_out()
    assert len(audit_events(app, "refresh_token_reused")) == 1


def test_refresh_after_reuse_interval_is_reuse(app: Flask) -> None:
    session = SessionClient.for_new_user(app)

    def refresh_and_wait() -> None:
        refresh_times(session, 1)
        clock.travel(timedelta(seconds=31))

    late_refresh = partial(session.post_refresh, session.refresh_token, at=OTHER_IP)
    late_response, _ = run_interleaved(app, BEFORE_ROTATION, late_refresh, refresh_and_wait)
    assert error_of(late_response) == INVALID_REFRESH_TOKEN
    assert session.is_logged_out()


def refresh_times(session: SessionClient, times: int) -> None:
    for _ in range(times):
        session.refresh()
