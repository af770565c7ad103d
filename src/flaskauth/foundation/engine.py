"""How connections are made: READ COMMITTED, UTC, bounded waits, durable."""

import logging
import math
import sqlite3
import time
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Engine, ExceptionContext
from sqlalchemy.event import listen, listens_for
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from flaskauth.foundation import measures
from flaskauth.settings import Settings

CONNECT_TIMEOUT = 2  # seconds
ANSWER_TIMEOUT = 5
LOCK_WAIT = 3
RESTED = 1.0  # seconds without use after which a connection is asked whether it still is one
RUSH = 4  # connections of each process beyond those that its pool keeps
OUTSIDE = 1047  # a node of a Galera cluster that is not, or not yet, part of the majority
ALONE = 8  # connections of each process for statements outside transactions
MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


class Embedded(sqlite3.Connection):
    """Readers beside one writer, enforced references, and a commit that is on the disk when it returns."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self.execute(f"PRAGMA {pragma}")


class Measured(QueuePool):
    """Tells how often somebody had to wait for a connection, and got none."""

    def connect(self) -> PoolProxiedConnection:
        if self.checkedout() >= self.size() + self._max_overflow:
            measures.count("database_waits")
        try:
            return super().connect()
        except PoolTimeout:
            measures.count("database_refusals")
            raise


logging.getLogger(f"{Measured.__module__}.{Measured.__name__}").setLevel(logging.WARNING)  # as SQLAlchemy's own pools


def options(settings: Settings) -> dict[str, Any]:
    """The engine's options for these settings."""
    url = settings.database_url
    common = {"url": url, "hide_parameters": True, "pool_timeout": 1, "pool_size": settings.database_pool_size}
    if settings.is_measured:
        common["poolclass"] = Measured
    if is_sqlite(url):
        return {**common, "connect_args": {"timeout": ANSWER_TIMEOUT, "factory": Embedded}}
    return {
        **common,
        "isolation_level": "READ COMMITTED",
        "max_overflow": RUSH,
        "pool_recycle": 280,
        "pool_reset_on_return": None,  # whoever begins a transaction ends it; a ROLLBACK after each COMMIT ends nothing
        "connect_args": {"connect_timeout": CONNECT_TIMEOUT, **server_options()},
    }


def most_connections(settings: Settings) -> int:
    """How many each process may have to MySQL or MariaDB."""
    return settings.database_pool_size + RUSH + ALONE


def options_alone(settings: Settings) -> dict[str, Any]:
    """Those of the engine whose every statement is committed by itself."""
    alone = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    return {**options(settings), **alone, "pool_size": ALONE, "max_overflow": 0}


def watch(engine: Engine) -> None:
    """Ask a connection that has rested whether it still is one. One in use is not asked each time: when it breaks, the
    transaction is run again."""
    if not is_sqlite(engine.url):
        listen(engine, "handle_error", _note_node_outside)
        listen(engine, "checkin", _note_rest)
        listen(engine, "checkout", lambda connection, record, _: _ask(engine.dialect, connection, record))


def server_options(answer_timeout: int = ANSWER_TIMEOUT) -> dict[str, Any]:
    """What each connection to MySQL or MariaDB asks for; migrations wait longer for an answer."""
    return {
        "read_timeout": answer_timeout,
        "write_timeout": answer_timeout,
        "init_command": f"SET time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_WAIT}, sql_mode = '{MODE}'",
    }


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def is_gone(dialect: Dialect, error: BaseException) -> bool:
    """Whether a connection is of no use any more. That to a node outside of its cluster is none: while the node is
    there, it refuses everything, ROLLBACK too, and the next connection may lead to another."""
    return dialect.is_disconnect(error, None, None) or _is_of_node_outside(error)  # type: ignore[arg-type]


def _is_of_node_outside(error: BaseException) -> bool:
    return error.args[:1] == (OUTSIDE,)


def _note_node_outside(context: ExceptionContext) -> None:
    if _is_of_node_outside(context.original_exception):
        context.is_disconnect = True


def _note_rest(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _ask(dialect: Dialect, connection: Any, record: ConnectionPoolEntry) -> None:
    if time.monotonic() - record.info.get("used_at", math.inf) < RESTED:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error:
        raise InvalidatePoolError from None  # what broke it broke the others too


@listens_for(Engine, "savepoint")
def _begin(connection: Connection, _name: str | None) -> None:
    """A savepoint is part of a transaction; SQLite's driver begins one only before the first change."""
    driver = connection.connection.dbapi_connection
    if isinstance(driver, Embedded) and not driver.in_transaction:
        driver.execute("BEGIN")
