"""No query that people wait for reads a whole table."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine
from tests.conftest import servers
from tests.inside import hearing
from tests.people import HERE, PASSWORD, Mailbox, People, bearer, code_of, network

from flaskauth.app import purge
from flaskauth.foundation import clock, jobs
from flaskauth.foundation.db import db

# Small tables that are read whole on purpose, and the mailbox of development.
READ_WHOLE = {"signing_keys", "countries", "regions", "outbox"}
READING = re.compile(r"^\s*(SELECT|UPDATE|DELETE)\b", re.IGNORECASE)

pytestmark = pytest.mark.parametrize("database", servers(), indirect=True)

Asked = list[tuple[str, Any]]


@contextmanager
def asked(app: Flask) -> Iterator[Asked]:
    """Every statement with its values."""
    found: Asked = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        if READING.match(statement):
            found.append((statement, parameters))

    with hearing(app, before_cursor_execute=note):
        yield found


def live(app: Flask, mailbox: Mailbox) -> None:
    """Everything that people do often."""
    people = People(app)
    verification_id = people.pending()
    client, here = people.client, network(HERE)
    client.post("/auth/resend", json={"verification_id": verification_id}, headers=here)
    client.post("/auth/resend", json={"email": "grace@example.com"}, headers=here)
    for proof in ({"otp": "BBBB-BBBB"}, {"otp": "BBBB-BBBB", "email": "grace@example.com"}):
        client.post("/auth/verify", json=proof, headers=here)
    code = mailbox.code("grace@example.com")
    client.post("/auth/verify", json={"otp": code, "verification_id": verification_id}, headers=here)
    body = {"email": "grace@example.com", "password": PASSWORD}
    client.post("/auth/login", json={**body, "password": "wrong"}, headers=here)
    welcome = client.post("/auth/login", json=body, headers=here).get_json()
    again = client.post("/auth/login", json={**body, "device_token": welcome["device_token"]}, headers=here).get_json()
    for _ in range(2):
        client.post("/auth/refresh", json={"refresh_token": again["refresh_token"]}, headers=here)
    token = bearer(welcome["token"])
    client.get("/users/profile", headers=token)
    client.post("/users/edit", json={"country": "NG"}, headers=token)
    client.get("/auth/sessions", headers=token)
    client.post("/auth/reauthenticate", json={"password": PASSWORD}, headers={**token, **here})
    change = {"current_password": PASSWORD, "password": "nine purple umbrellas"}
    client.post("/auth/change-password", json=change, headers={**token, **here})
    client.delete("/auth/sessions", headers=token)
    client.post("/auth/logout", headers=token)
    mailbox.wait(2)
    reset_id = client.post("/auth/forgot-password", json={"email": body["email"]}, headers=here).get_json()["reset_id"]
    code = code_of(mailbox.wait(3)[0])
    for door in ({"email": body["email"], "otp": "BBBB-BBBB"}, {"reset_id": reset_id, "otp": code}):
        client.post("/auth/reset-password", json={"password": PASSWORD, **door}, headers=here)
    leave(app, Mailbox(app))


def leave(app: Flask, mailbox: Mailbox) -> None:
    """Look at everything, close the account, take that back, close it again and be erased."""
    client, body = app.test_client(), {"email": "grace@example.com", "password": PASSWORD}
    for path in ("/users/activity", "/users/activity?cursor=5", "/users/export"):
        token = client.post("/auth/login", json=body, headers=network(HERE)).get_json()["token"]
        assert client.get(path, headers=bearer(token)).get_json()["success"]
    for end in ("/users/account/restore", "/users/export"):
        client.delete("/users/account", headers=bearer(token))
        token = client.post("/auth/login", json=body, headers=network(HERE)).get_json()["token"]
        assert client.open(end, method="POST" if "restore" in end else "GET", headers=bearer(token)).get_json()
    mailbox.wait(4)
    clock.travel(timedelta(days=8))
    with app.app_context():
        purge()
        clock.travel(timedelta(days=-8))


def test_what_people_do_often_reads_no_table_whole(app: Flask, mailbox: Mailbox) -> None:
    app.test_client().get("/hello")
    with app.app_context():
        engine = db.engine
    with asked(app) as found:
        live(app, mailbox)
    app.extensions[jobs.KEY].stop()

    plans = {re.sub(r"\s+", " ", statement): plan for statement, plan in explained(engine, found)}
    whole = {statement: table for statement, plan in plans.items() for table in read_whole(plan)}
    assert len(plans) > 25
    assert whole == {}


def explained(engine: Engine, found: Asked) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with engine.connect() as connection:
        for statement, parameters in {statement: (statement, parameters) for statement, parameters in found}.values():
            plan = connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {statement}", parameters)
            yield statement, [dict(row) for row in plan.mappings()]
        connection.rollback()


def read_whole(plan: list[dict[str, Any]]) -> list[str]:
    """The tables that no index could be used for."""
    return [
        row["table"]
        for row in plan
        if row["type"] == "ALL" and not row["possible_keys"] and row["table"] not in READ_WHOLE
    ]
