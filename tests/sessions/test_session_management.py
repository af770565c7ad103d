"""Session management: users list their sessions and revoke them."""

import re
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.sessions.helpers import INVALID_TOKEN, SessionClient
from tests.support.inspect import audit_events, error_of, query_all, run_concurrently, single_event
from tests.support.users import CLIENT_IP, OTHER_IP, TestUser, UserFactory, bearer, forwarded_for

from flaskauth.core import clock
from flaskauth.sessions.models import Device, Session

NOT_FOUND = (404, "not_found")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def list_sessions(client: FlaskClient, token: str) -> list[dict[str, Any]]:
    sessions: list[dict[str, Any]] = client.get("/auth/sessions", headers=bearer(token)).get_json()["sessions"]
    return sessions


def revoke_session(session: SessionClient, session_id: object) -> tuple[int, str]:
    response = session.client.delete(f"/auth/sessions/{session_id}", headers=bearer(session.token))
    return (200, response.get_json()["message"]) if response.status_code == 200 else error_of(response)


def create_two_sessions(app: Flask) -> tuple[SessionClient, SessionClient]:
    user = UserFactory(app).create_verified()
    return tuple(SessionClient(user.client, user.login_ok(at=at)) for at in (CLIENT_IP, OTHER_IP))  # type: ignore[return-value]


def test_list_sessions_shows_ip_device_and_times(app: Flask) -> None:
    client, user = app.test_client(), UserFactory(app).create_verified()
    headers = {
        **forwarded_for(OTHER_IP),
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\x7f Firefox/140.0",
    }
    first = client.post("/auth/login", json={"email": user.email, "password": user.password}, headers=headers)
    clock.travel(timedelta(minutes=1))
    second = user.login_ok(at=CLIENT_IP)
    newer, older = list_sessions(client, second["token"])

    assert set(newer) == {"id", "current", "device", "ip", "created_at", "last_used_at", "expired_at"}
    assert (newer["current"], older["current"]) == (True, False)
    assert (newer["ip"], older["ip"], older["device"]) == (CLIENT_IP, OTHER_IP, "Firefox (Linux)")
    assert older["id"] == int(first.get_json()["refresh_token"].split(".")[0])
    assert older["expired_at"] == first.get_json()["expired_at"]
    assert all(TIMESTAMP.fullmatch(newer[name]) for name in ("created_at", "last_used_at", "expired_at"))


def test_refresh_updates_times_in_session_list(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    [before] = list_sessions(session.client, session.token)
    clock.travel(timedelta(days=1))
    session.refresh()
    [after] = list_sessions(session.client, session.token)

    assert after["created_at"] == before["created_at"]
    assert after["last_used_at"] > before["last_used_at"]
    assert after["expired_at"] > before["expired_at"]


def test_list_sessions_shows_only_own_active_sessions(app: Flask) -> None:
    session, other = create_two_sessions(app)
    SessionClient.for_new_user(app, "ada@example.com")
    other.client.post("/auth/logout", headers=bearer(other.token))

    assert [entry["id"] for entry in list_sessions(session.client, session.token)] == [session.session_id]


def test_revoke_session_ends_that_session(app: Flask) -> None:
    session, other = create_two_sessions(app)

    assert revoke_session(session, other.session_id) == (200, "Signed out")
    assert other.is_logged_out()
    assert session.profile_status() == 200
    assert revoke_session(session, other.session_id) == NOT_FOUND
    assert single_event(app, "signed_out").session_id == other.session_id


def test_revoke_current_session_succeeds(app: Flask) -> None:
    session = SessionClient.for_new_user(app)

    assert revoke_session(session, session.session_id) == (200, "Signed out")
    assert revoke_session(session, session.session_id) == INVALID_TOKEN


def test_revoke_session_of_other_user_is_not_found(app: Flask) -> None:
    session, ada = SessionClient.for_new_user(app), SessionClient.for_new_user(app, "ada@example.com")

    assert revoke_session(session, ada.session_id) == revoke_session(session, 1) == NOT_FOUND
    assert ada.profile_status() == 200


def test_revoke_session_with_invalid_id_is_not_found(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    for session_id in (0, 2**53, 2**63, 10**30, "9" * 5000, "0x1", "-1", "1.0", "one", "%00", "٣"):
        assert revoke_session(session, session_id) == NOT_FOUND, session_id


def test_revoke_other_sessions_keeps_current(app: Flask) -> None:
    session, other = create_two_sessions(app)
    response = session.client.delete("/auth/sessions", headers=bearer(session.token))

    assert response.status_code == 200
    assert other.is_logged_out()
    assert session.refresh()
    assert [entry["current"] for entry in list_sessions(session.client, session.token)] == [True]
    assert single_event(app, "signed_out_everywhere").details == {"revoked": 1}
    assert len(query_all(app, select(Device))) == 1


def test_revoke_other_sessions_keeps_those_of_other_users(app: Flask) -> None:
    session, ada = SessionClient.for_new_user(app), SessionClient.for_new_user(app, "ada@example.com")
    session.client.delete("/auth/sessions", headers=bearer(session.token))

    assert ada.refresh()


def test_login_beyond_20_sessions_evicts_oldest(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    sessions = [login_from(user, number) for number in range(21)]

    assert sessions[0].is_logged_out()
    assert all(session.profile_status() == 200 for session in sessions[1:])
    assert single_event(app, "session_evicted").session_id == sessions[0].session_id

    run_concurrently([partial(login_with_new_client, app, user, 100 + number) for number in range(6)])
    last = login_from(user, 200)
    assert len(list_sessions(last.client, last.token)) == 20


def login_from(user: TestUser, number: int) -> SessionClient:
    clock.travel(timedelta(seconds=1))
    return SessionClient(user.client, user.login_ok(at=f"192.0.2.{number}"))


def login_with_new_client(app: Flask, user: TestUser, number: int) -> None:
    TestUser(app.test_client(), user.email).login(at=f"192.0.2.{number}")


def test_logged_out_sessions_do_not_count_toward_limit(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    for number in range(3):
        session = login_from(user, number)
        session.client.post("/auth/logout", headers=bearer(session.token))
    sessions = [login_from(user, number) for number in range(3)]

    assert all(session.profile_status() == 200 for session in sessions)
    assert not audit_events(app, "session_evicted")


def test_expired_session_is_not_listed(make_app: MakeApp) -> None:
    user = UserFactory(make_app(SESSION_IDLE_TIMEOUT="5")).create_verified()
    login_from(user, 1)
    clock.travel(timedelta(minutes=6))
    session = login_from(user, 2)

    assert [entry["id"] for entry in list_sessions(session.client, session.token)] == [session.session_id]


def test_session_row_contains_no_refresh_token(app: Flask) -> None:
    """The row contains neither the refresh token nor its MAC."""
    session = SessionClient.for_new_user(app)
    [row] = query_all(app, select(Session))
    mac = session.refresh_token.split(".")[2]

    values = [value.hex() if isinstance(value, bytes) else str(value) for value in vars(row).values()]
    assert not [value for value in values if mac in value]
