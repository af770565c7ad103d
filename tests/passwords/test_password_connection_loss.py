"""A database connection that breaks at any statement of a password change is retried and causes no error."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, NullPool, create_engine
from tests.conftest import sql_servers
from tests.passwords.helpers import change_password, request_reset, reset_password
from tests.support.inspect import engine_listeners
from tests.support.users import PASSWORD, UserFactory

from flaskauth.settings import with_driver

pytestmark = pytest.mark.parametrize("database", sql_servers(), indirect=True)

MIN_STATEMENTS = 8  # lower bound of the statements of a password change


@contextmanager
def break_connection_at(app: Flask, database: str, index: int) -> Iterator[list[str]]:
    """Record the statements of this thread, and kill its connection just before the statement with this number."""
    statements: list[str] = []
    engine, thread_id = create_engine(with_driver(database), poolclass=NullPool), threading.get_ident()

    def record_and_kill(connection: Connection, statement: str) -> None:
        statements.append(statement)
        if len(statements) == index:
            driver: Any = connection.connection.dbapi_connection
            with engine.connect() as killer:
                killer.exec_driver_sql(f"KILL {driver.thread_id()}")

    def on_execute(connection: Connection, _cursor: object, statement: str, *_args: object) -> None:
        if threading.get_ident() == thread_id:
            record_and_kill(connection, statement)

    def on_rollback(connection: Connection) -> None:
        if threading.get_ident() == thread_id:
            record_and_kill(connection, "ROLLBACK")

    with engine_listeners(app, before_cursor_execute=on_execute, rollback=on_rollback):
        yield statements


def test_change_password_retries_when_connection_breaks(app: Flask, database: str, users: UserFactory) -> None:
    token, current = users.create_verified().login_ok()["token"], PASSWORD
    for index in count(1):
        new = f"{index} patient lighthouses"
        with break_connection_at(app, database, index) as statements:
            response = change_password(users.client, token, current, new, at=f"198.51.100.{index}")
        assert response.status_code == 200, (response.text, statements[index - 1 :])
        current = new
        if index > len(statements):
            break

    assert index > MIN_STATEMENTS


def test_reset_password_retries_when_connection_breaks(app: Flask, database: str, users: UserFactory) -> None:
    for index in count(1):
        email, ip = f"grace-{index}@example.com", f"198.51.100.{index}"
        users.create_verified(email, at=ip)
        reset = request_reset(users, email, at=ip)
        with break_connection_at(app, database, index) as statements:
            response = reset_password(users.client, reset.code, ip, reset_id=reset.id)
        assert response.status_code == 200, (response.text, statements[index - 1 :])
        if index > len(statements):
            break

    assert index > MIN_STATEMENTS
