"""`GET /users/activity`: the user's own audit events, in pages."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select
from tests.sessions.helpers import SessionClient
from tests.support.inspect import error_of, execute_statement, query_all
from tests.support.users import CLIENT_IP, OTHER_IP, UserFactory, bearer, forwarded_for

from flaskauth.accounts.models import User
from flaskauth.audit.models import AuditEvent
from flaskauth.core import clock

INVALID_NUMBERS: tuple[str, ...] = (
    *("", "0", "-1", "+1", "1.0", "1e1", " 1", "1 ", "0x1", "01", "one", "null", "true", "%00", "%D9%A1", "1,2", "[1]"),
    *(str(2**53), str(2**63), "9" * 400, "%ff", "%F0%9F%90%88"),
)


def get_page(client: FlaskClient, token: str, query: str = "") -> dict[str, Any]:
    response = client.get(f"/users/activity{query}", headers=bearer(token))
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.get_json()
    return body


def fetch_all_ids(client: FlaskClient, token: str, limit: int) -> list[int]:
    """Return the event ids of all pages, in the order of the response."""
    ids, cursor = [], ""
    while True:
        page = get_page(client, token, f"?limit={limit}{cursor}")
        ids += [event["id"] for event in page["events"]]
        if page["next"] is None:
            return ids
        assert len(page["events"]) == limit
        cursor = f"&cursor={page['next']}"


def insert_events(app: Flask, count: int) -> None:
    """Insert this many audit events for each user, with small ids, as if they were old."""
    user_ids = query_all(app, select(User.id))
    fields = {"at": clock.now(), "name": "profile_edited", "details": {}}
    rows = [
        {"id": number * 10 + offset, "user_id": user_id, **fields}
        for number in range(1, count + 1)
        for offset, user_id in enumerate(user_ids)
    ]
    execute_statement(app, insert(AuditEvent).values(rows))


def test_activity_lists_newest_event_first(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    user.login("wrong", at=OTHER_IP)
    session = SessionClient(users.client, user.login_ok(at=CLIENT_IP))
    page = get_page(users.client, session.token)
    newest, failed, registered = page["events"]
    row = query_all(app, select(AuditEvent).filter_by(name="sign_in"))[0]

    assert (page["message"], page["next"]) == ("Activity", None)
    assert newest == {
        "id": row.id,
        "name": "sign_in",
        "at": clock.to_rfc3339(row.at),
        "ip": CLIENT_IP,
        "device": row.device,
        "session_id": session.session_id,
    }
    assert [event["name"] for event in (failed, registered)] == ["sign_in_failed", "account_created"]
    assert (failed["ip"], failed["session_id"]) == (OTHER_IP, None)


def test_activity_contains_only_own_events(app: Flask, users: UserFactory) -> None:
    ada, grace = SessionClient.for_new_user(app, "ada@example.com"), SessionClient.for_new_user(app)
    users.client.post(
        "/auth/login", json={"email": "unknown@example.com", "password": "x"}, headers=forwarded_for(OTHER_IP)
    )
    insert_events(app, 5)
    own_ids = set(query_all(app, select(AuditEvent.id).filter_by(user_id=grace.tokens["user"]["id"])))

    assert set(fetch_all_ids(users.client, grace.token, 2)) == own_ids
    for event in get_page(users.client, ada.token)["events"]:
        page = get_page(users.client, grace.token, f"?cursor={event['id'] + 1}")["events"]
        assert {other_event["id"] for other_event in page} <= own_ids
    for query in (f"?user_id={ada.tokens['user']['id']}", "?name=sign_in", "?id=1", "?cursor[]=1", "?Limit=1"):
        response = users.client.get(f"/users/activity{query}", headers=bearer(grace.token))
        assert error_of(response) == (422, "validation_failed")
        assert list(response.get_json()["errors"].values()) == [["Unknown field."]]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_activity_cursor_returns_each_event_once(app: Flask, users: UserFactory, limit: int) -> None:
    session = SessionClient.for_new_user(app)
    insert_events(app, 21)
    ids_before = query_all(app, select(AuditEvent.id).filter_by(user_id=session.tokens["user"]["id"]))
    page = get_page(users.client, session.token, f"?limit={limit}")
    SessionClient(users.client, users.create_verified("ada@example.com").login_ok())
    users.client.post("/users/edit", json={"first_name": "Amazing"}, headers=bearer(session.token))
    ids = [event["id"] for event in page["events"]]
    while page["next"]:
        page = get_page(users.client, session.token, f"?limit={limit}&cursor={page['next']}")
        ids += [event["id"] for event in page["events"]]
        users.client.post("/users/edit", json={"first_name": "Again"}, headers=bearer(session.token))

    assert ids == sorted(ids_before, reverse=True)


def test_activity_default_page_is_20_and_last_cursor_is_null(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    insert_events(app, 18)
    full_page = get_page(users.client, session.token)
    assert (len(full_page["events"]), full_page["next"]) == (20, None)

    first_page = get_page(users.client, session.token, "?limit=19")
    assert len(first_page["events"]) == 19
    last_page = get_page(users.client, session.token, f"?cursor={first_page['next']}")
    assert (len(last_page["events"]), last_page["next"]) == (1, None)
    assert get_page(users.client, session.token, "?cursor=1") == {**last_page, "events": []}


@pytest.mark.parametrize("name", ["limit", "cursor"])
def test_activity_with_invalid_limit_or_cursor_is_rejected(app: Flask, users: UserFactory, name: str) -> None:
    token = SessionClient.for_new_user(app).token
    for value in (*INVALID_NUMBERS, *(["101", "1000"] if name == "limit" else [])):
        response = users.client.get(f"/users/activity?{name}={value}", headers=bearer(token))
        assert error_of(response) == (422, "validation_failed"), value
        assert response.get_json()["errors"] == {name: ["Not a valid integer."]}, value


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_activity_with_repeated_parameter_is_rejected(app: Flask, users: UserFactory) -> None:
    token = SessionClient.for_new_user(app).token
    response = users.client.get("/users/activity?limit=1&cursor=5&limit=1&cursor=6", headers=bearer(token))

    assert error_of(response) == (422, "validation_failed")
    assert response.get_json()["errors"] == {name: ["Given more than once."] for name in ("cursor", "limit")}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_activity_without_token_is_rejected(app: Flask) -> None:
    for query in ("", "?limit=x", "?limit=1&limit=2"):
        assert error_of(app.test_client().get(f"/users/activity{query}")) == (401, "invalid_token")
