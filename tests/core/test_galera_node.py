"""A Galera node outside the primary component rejects all statements; the transaction uses a new connection."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text
from tests.conftest import sql_servers
from tests.support.inspect import in_transaction

from flaskauth.core.db.compiled import CompiledStatement
from flaskauth.core.db.session import db

NOT_IN_CLUSTER_ERROR = text(
    "SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = 1047, MESSAGE_TEXT = 'WSREP has not yet prepared node'"
)
COMPILED_ERROR = CompiledStatement(NOT_IN_CLUSTER_ERROR)


@pytest.mark.parametrize("database", sql_servers(), indirect=True)
@pytest.mark.parametrize("execute", [lambda: db.session.execute(NOT_IN_CLUSTER_ERROR), COMPILED_ERROR.rowcount])
def test_connection_to_isolated_galera_node_is_replaced(app: Flask, execute: Callable[[], object]) -> None:
    connection_ids: list[int] = []

    def work() -> None:
        connection_ids.append(int(db.session.execute(text("SELECT CONNECTION_ID()")).scalar_one()))
        if len(connection_ids) < 3:
            execute()

    in_transaction(app, work)

    assert len(set(connection_ids)) == 3
