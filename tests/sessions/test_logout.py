"""Logout revokes a session immediately in all processes, also with concurrent requests."""

from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.sessions.helpers import INVALID_TOKEN, SessionClient
from tests.support.inspect import audit_events, error_of, query_all, run_concurrently, single_event
from tests.support.users import PASSWORD, bearer, forwarded_for
from werkzeug.test import TestResponse

from flaskauth.sessions.models import Session

ROUNDS = 20


def logout(session: SessionClient) -> TestResponse:
    return session.client.application.test_client().post("/auth/logout", headers=bearer(session.token))


def logout_by_refresh_token(session: SessionClient, refresh_token: str | None = None) -> TestResponse:
    return session.client.post("/auth/logout", json={"refresh_token": refresh_token or session.refresh_token})


def test_logout_by_access_token_revokes_session(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    response = logout(session)

    assert (response.status_code, response.get_json()["message"]) == (200, "Signed out")
    assert "Clear-Site-Data" not in response.headers  # it would delete what other applications of the site stored
    assert session.is_logged_out()
    assert single_event(app, "signed_out").session_id == session.session_id


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_logout_with_empty_json_body_succeeds(app: Flask, content_type: str) -> None:
    session = SessionClient.for_new_user(app)
    response = session.client.post("/auth/logout", content_type=content_type, headers=bearer(session.token))

    assert response.status_code == 200
    assert session.is_logged_out()


def test_logout_by_refresh_token_revokes_session(app: Flask) -> None:
    session = SessionClient.for_new_user(app)

    assert logout_by_refresh_token(session).status_code == 200
    assert session.is_logged_out()


def test_logout_by_rotated_refresh_token_revokes_session(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    first = session.refresh_token
    session.refresh()
    session.refresh()

    assert logout_by_refresh_token(session, first).status_code == 200
    assert session.is_logged_out()
    assert not audit_events(app, "refresh_token_reused")


def test_logout_is_idempotent(app: Flask) -> None:
    session = SessionClient.for_new_user(app)

    assert [logout(session).status_code for _ in range(2)] == [200, 200]
    assert [logout_by_refresh_token(session).status_code for _ in range(2)] == [200, 200]
    assert single_event(app, "signed_out").user_id == session.tokens["user"]["id"]


def test_logout_with_unknown_token_succeeds(app: Flask) -> None:
    session = SessionClient.for_new_user(app)

    assert logout_by_refresh_token(session, "1.1.none").status_code == 200
    assert session.refresh()


def test_logout_without_token_returns_401(app: Flask) -> None:
    client = app.test_client()
    response = client.post("/auth/logout")

    assert (error_of(response), response.get_json()["message"]) == (INVALID_TOKEN, "Authorization token required")
    assert error_of(client.post("/auth/logout", json={})) == INVALID_TOKEN
    assert error_of(client.post("/auth/logout", headers=bearer("nonsense"))) == INVALID_TOKEN


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_logout_by_get_is_not_allowed(app: Flask) -> None:
    response = app.test_client().get("/auth/logout")

    assert error_of(response) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "OPTIONS, POST"


def test_logout_invalidates_token_in_all_processes(app: Flask, make_app: MakeApp) -> None:
    session, other_app = SessionClient.for_new_user(app), make_app()
    assert session.profile_status(app=other_app) == 200
    logout(session)

    client = other_app.test_client()
    for method, path in [
        ("GET", "/users/profile"),
        ("POST", "/users/edit"),
        ("GET", "/auth/sessions"),
        ("DELETE", "/auth/sessions"),
        ("DELETE", f"/auth/sessions/{session.session_id}"),
        ("POST", "/auth/reauthenticate"),
    ]:
        body = {"password": PASSWORD} if path == "/auth/reauthenticate" else {}
        assert error_of(client.open(path, method=method, json=body, headers=bearer(session.token))) == INVALID_TOKEN, (
            path
        )
    assert session.post_refresh(session.refresh_token, app=other_app).status_code == 401


def test_concurrent_refresh_and_logout_leave_no_session(app: Flask) -> None:
    first = SessionClient.for_new_user(app)
    for number in range(ROUNDS):
        session = SessionClient(first.client, login_again(first, at=f"192.0.2.{number}"))
        refreshed, logged_out = run_concurrently(
            [partial(session.post_refresh, session.refresh_token), partial(logout, session)]
        )

        assert logged_out.status_code == 200
        assert session.is_logged_out()
        if refreshed.status_code == 200:
            assert SessionClient(session.client, refreshed.get_json()).is_logged_out()
    active = query_all(app, select(Session.id).where(Session.revoked_at.is_(None)))
    assert active == [first.session_id]


def login_again(session: SessionClient, at: str) -> dict[str, object]:
    body = {"email": session.tokens["user"]["email"], "password": PASSWORD}
    tokens: dict[str, object] = session.client.post("/auth/login", json=body, headers=forwarded_for(at)).get_json()
    return tokens
