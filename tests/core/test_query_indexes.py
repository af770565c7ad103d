"""No query of a request scans a whole table."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine
from tests.conftest import sql_servers
from tests.support.inspect import engine_listeners
from tests.support.users import CLIENT_IP, PASSWORD, Mailbox, UserFactory, bearer, code_in_mail, forwarded_for

from flaskauth.app import purge
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.core.jobs import background

# Small tables that are read completely, and the table behind the development mailbox.
FULL_SCAN_ALLOWED = {"signing_keys", "countries", "regions", "outbox"}
QUERY_PATTERN = re.compile(r"^\s*(SELECT|UPDATE|DELETE)\b", re.IGNORECASE)

pytestmark = pytest.mark.parametrize("database", sql_servers(), indirect=True)

Queries = list[tuple[str, Any]]


@contextmanager
def capture_queries(app: Flask) -> Iterator[Queries]:
    """Capture every statement with its parameters."""
    queries: Queries = []

    def on_execute(_connection: object, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        if QUERY_PATTERN.match(statement):
            queries.append((statement, parameters))

    with engine_listeners(app, before_cursor_execute=on_execute):
        yield queries


def send_frequent_requests(app: Flask, mailbox: Mailbox) -> None:
    """Send the frequent requests: registration, login, refresh, profile, sessions, password change and reset."""
    users = UserFactory(app)
    verification_id = users.register()
    client, headers = users.client, forwarded_for(CLIENT_IP)
    client.post("/auth/resend", json={"verification_id": verification_id}, headers=headers)
    client.post("/auth/resend", json={"email": "grace@example.com"}, headers=headers)
    for verification in ({"otp": "BBBB-BBBB"}, {"otp": "BBBB-BBBB", "email": "grace@example.com"}):
        client.post("/auth/verify", json=verification, headers=headers)
    code = mailbox.code("grace@example.com")
    client.post("/auth/verify", json={"otp": code, "verification_id": verification_id}, headers=headers)
    body = {"email": "grace@example.com", "password": PASSWORD}
    client.post("/auth/login", json={**body, "password": "wrong"}, headers=headers)
    first = client.post("/auth/login", json=body, headers=headers).get_json()
    second = client.post(
        "/auth/login", json={**body, "device_token": first["device_token"]}, headers=headers
    ).get_json()
    for _ in range(2):
        client.post("/auth/refresh", json={"refresh_token": second["refresh_token"]}, headers=headers)
    token = bearer(first["token"])
    client.get("/users/profile", headers=token)
    client.post("/users/edit", json={"country": "NG"}, headers=token)
    client.get("/auth/sessions", headers=token)
    client.post("/auth/reauthenticate", json={"password": PASSWORD}, headers={**token, **headers})
    change = {"current_password": PASSWORD, "password": "nine purple umbrellas"}
    client.post("/auth/change-password", json=change, headers={**token, **headers})
    client.delete("/auth/sessions", headers=token)
    client.post("/auth/logout", headers=token)
    mailbox.wait(2)
    reset_id = client.post("/auth/forgot-password", json={"email": body["email"]}, headers=headers).get_json()[
        "reset_id"
    ]
    code = code_in_mail(mailbox.wait(3)[0])
    for identification in ({"email": body["email"], "otp": "BBBB-BBBB"}, {"reset_id": reset_id, "otp": code}):
        client.post("/auth/reset-password", json={"password": PASSWORD, **identification}, headers=headers)
    export_and_delete_account(app, Mailbox(app))


def export_and_delete_account(app: Flask, mailbox: Mailbox) -> None:
    """Export the account, delete it, restore it, delete it again and have it erased."""
    client, body = app.test_client(), {"email": "grace@example.com", "password": PASSWORD}
    for path in ("/users/activity", "/users/activity?cursor=5", "/users/export"):
        token = client.post("/auth/login", json=body, headers=forwarded_for(CLIENT_IP)).get_json()["token"]
        assert client.get(path, headers=bearer(token)).get_json()["success"]
    for end in ("/users/account/restore", "/users/export"):
        client.delete("/users/account", headers=bearer(token))
        token = client.post("/auth/login", json=body, headers=forwarded_for(CLIENT_IP)).get_json()["token"]
        assert client.open(end, method="POST" if "restore" in end else "GET", headers=bearer(token)).get_json()
    mailbox.wait(4)
    clock.travel(timedelta(days=8))
    with app.app_context():
        purge()
        clock.travel(timedelta(days=-8))


def test_frequent_queries_never_scan_a_whole_table(app: Flask, mailbox: Mailbox) -> None:
    app.test_client().get("/hello")
    with app.app_context():
        engine = db.engine
    with capture_queries(app) as queries:
        send_frequent_requests(app, mailbox)
    app.extensions[background.KEY].stop()

    plans = {re.sub(r"\s+", " ", statement): plan for statement, plan in explain_queries(engine, queries)}
    scans = {statement: table for statement, plan in plans.items() for table in full_scans(plan)}
    assert len(plans) > 25
    assert scans == {}


def explain_queries(engine: Engine, queries: Queries) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with engine.connect() as connection:
        for statement, parameters in {statement: (statement, parameters) for statement, parameters in queries}.values():
            plan = connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {statement}", parameters)
            yield statement, [dict(row) for row in plan.mappings()]
        connection.rollback()


def full_scans(plan: list[dict[str, Any]]) -> list[str]:
    """Return the tables for which the database has no usable index."""
    return [
        row["table"]
        for row in plan
        if row["type"] == "ALL" and not row["possible_keys"] and row["table"] not in FULL_SCAN_ALLOWED
    ]
