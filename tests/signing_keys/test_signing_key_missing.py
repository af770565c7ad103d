"""While no signing key is usable, requests fail with 503 and no session or refresh token is lost."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, select
from tests.sessions.helpers import SessionClient
from tests.support.inspect import audit_events, error_of, execute_statement, query_all
from tests.support.users import PASSWORD

from flaskauth.core import clock
from flaskauth.core.jobs import background
from flaskauth.sessions.models import Session
from flaskauth.signing_keys import service
from flaskauth.signing_keys.keyring import keyring
from flaskauth.signing_keys.models import SigningKey

UNAVAILABLE = (503, "unavailable")


@pytest.fixture
def session_client(app: Flask) -> SessionClient:
    """Log in, then stop the background thread, so that keys change only when the test changes them."""
    session = SessionClient.for_new_user(app)
    app.extensions[background.KEY].stop()
    return session


def test_key_from_a_clock_ahead_signs_immediately(session_client: SessionClient, app: Flask) -> None:
    clock.travel(timedelta(seconds=20))
    with app.app_context():
        service.rotate(immediately=True)
    clock.travel(timedelta(seconds=-20))

    session_client.refresh()
    assert session_client.profile_status() == 200


def test_refresh_without_signing_key_keeps_refresh_token(session_client: SessionClient, app: Flask) -> None:
    _delete_all_keys(app)
    assert error_of(session_client.post_refresh(session_client.refresh_token)) == UNAVAILABLE

    with app.app_context():
        service.ensure_keys()
    clock.travel(timedelta(minutes=5))
    session_client.refresh()
    assert session_client.profile_status() == 200
    assert audit_events(app, "refresh_token_reused") == []


def test_login_without_signing_key_creates_no_session(session_client: SessionClient, app: Flask) -> None:
    _delete_all_keys(app)
    session_count = len(query_all(app, select(Session)))
    body = {"email": "grace@example.com", "password": PASSWORD}

    assert error_of(app.test_client().post("/auth/login", json=body)) == UNAVAILABLE
    assert len(query_all(app, select(Session))) == session_count
    assert len(audit_events(app, "sign_in")) == session_count


def _delete_all_keys(app: Flask) -> None:
    execute_statement(app, delete(SigningKey))
    with app.app_context():
        keyring().invalidate()
