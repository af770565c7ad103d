"""What somebody does who leaves: close the account, take it back, wait until it is erased."""

from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.inside import rows
from tests.people import HERE, People, bearer, network
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.closing import erasure
from flaskauth.foundation import clock
from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import transaction

WEEK = timedelta(days=7)
MOMENT = timedelta(minutes=5)
CLOSING = "This account is being closed. Take it back first: POST /users/account/restore."


def close(client: FlaskClient, token: str, at: str = HERE) -> TestResponse:
    return client.delete("/users/account", headers={**bearer(token), **network(at)})


def restore(client: FlaskClient, token: str, at: str = HERE) -> TestResponse:
    return client.post("/users/account/restore", headers={**bearer(token), **network(at)})


def closed(people: People, email: str = "grace@example.com") -> str:
    """Somebody closed the account and signed in again; the token of that."""
    person = people.joined(email)
    assert close(people.client, person.signed_in()["token"]).status_code == 200
    return str(person.signed_in()["token"])


def erase(app: Flask) -> int:
    """Have everybody erased whose time is over; how many were."""
    gone = 0
    with app.app_context():
        while some := transaction(erasure.purge):
            gone += some
    return gone


def erase_after(app: Flask, time: timedelta = WEEK + MOMENT) -> int:
    clock.travel(time)
    return erase(app)


def orphans(app: Flask) -> dict[str, list[int]]:
    """Whose rows are left of people who are gone, by table; the trail keeps their numbers on purpose."""
    people = set(rows(app, select(User.id)))
    tables = [table for table in Base.metadata.sorted_tables if "user_id" in table.c and table.name != "audit_events"]
    lost = {table.name: [one for one in rows(app, select(table.c.user_id)) if one not in people] for table in tables}
    return {name: found for name, found in lost.items() if found}
