"""A connection to the database that breaks at any statement of a new password is a lost race, and no accident."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, NullPool, create_engine
from tests.conftest import servers
from tests.inside import hearing
from tests.passwords.asking import asked_for, change, reset
from tests.people import PASSWORD, People

from flaskauth.settings import with_driver

pytestmark = pytest.mark.parametrize("database", servers(), indirect=True)

FEWEST = 8  # statements that a new password takes


@contextmanager
def broken_at(app: Flask, database: str, number: int) -> Iterator[list[str]]:
    """What this thread asks of the database meanwhile; the connection is ended just before one of these."""
    told: list[str] = []
    engine, me = create_engine(with_driver(database), poolclass=NullPool), threading.get_ident()

    def end(connection: Connection, statement: str) -> None:
        told.append(statement)
        if len(told) == number:
            driver: Any = connection.connection.dbapi_connection
            with engine.connect() as other:
                other.exec_driver_sql(f"KILL {driver.thread_id()}")

    def asks(connection: Connection, _cursor: object, statement: str, *_more: object) -> None:
        if threading.get_ident() == me:
            end(connection, statement)

    def rolls_back(connection: Connection) -> None:
        if threading.get_ident() == me:
            end(connection, "ROLLBACK")

    with hearing(app, before_cursor_execute=asks, rollback=rolls_back):
        yield told


def test_a_password_is_changed_wherever_the_connection_breaks(app: Flask, database: str, people: People) -> None:
    token, old = people.joined().signed_in()["token"], PASSWORD
    for number in count(1):
        newer = f"{number} patient lighthouses"
        with broken_at(app, database, number) as told:
            answer = change(people.client, token, old, newer, at=f"198.51.100.{number}")
        assert answer.status_code == 200, (answer.text, told[number - 1 :])
        old = newer
        if number > len(told):
            break

    assert number > FEWEST


def test_a_password_is_reset_wherever_the_connection_breaks(app: Flask, database: str, people: People) -> None:
    for number in count(1):
        email, here = f"grace-{number}@example.com", f"198.51.100.{number}"
        people.joined(email, at=here)
        asked = asked_for(people, email, at=here)
        with broken_at(app, database, number) as told:
            answer = reset(people.client, asked.code, here, reset_id=asked.id)
        assert answer.status_code == 200, (answer.text, told[number - 1 :])
        if number > len(told):
            break

    assert number > FEWEST
