"""Engine options: READ COMMITTED, UTC, timeouts and durable commits."""

import logging
import math
import os
import sqlite3
import time
from contextlib import suppress
from typing import Any, TypedDict

from sqlalchemy import URL, Connection, Dialect, Engine, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.event import listen, listens_for
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from flaskauth.core.observability import metrics as core_metrics
from flaskauth.settings import Settings

CONNECT_TIMEOUT = 2  # seconds
READ_TIMEOUT = 5  # seconds
LOCK_WAIT_TIMEOUT = 3  # seconds
AUTOCOMMIT_LOCK_WAIT_TIMEOUT = 1  # seconds; the other requests of a batch wait too
PING_AFTER_IDLE = 1.0  # seconds; a connection that was idle for longer is pinged at checkout
MAX_OVERFLOW = 4  # connections of each process in addition to its pool
NODE_NOT_READY = 1047  # a node of a Galera cluster that is not part of the majority
AUTOCOMMIT_POOL_SIZE = 8  # connections of each process
SQL_MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


class SQLiteConnection(sqlite3.Connection):
    """Enable concurrent readers (WAL), durable commits and foreign keys. Create a file for its owner only."""

    def __init__(self, database: str, *args: Any, **kwargs: Any) -> None:
        if not database.startswith("file:"):
            # An existing file is not opened: closing it would drop the locks of other connections of this process.
            with suppress(OSError):
                os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        super().__init__(database, *args, **kwargs)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self.execute(f"PRAGMA {pragma}")

    def __del__(self) -> None:
        """Close what the pool of a discarded application left open; from Python 3.13 on, that would be a warning."""
        with suppress(sqlite3.ProgrammingError):  # of another thread, or not even opened
            self.close()


class InstrumentedPool(QueuePool):
    """Count waits for a connection, and timeouts, in the metrics."""

    def connect(self) -> PoolProxiedConnection:
        if self.checkedout() >= self.size() + self._max_overflow:
            core_metrics.increment("database_pool_waits")
        try:
            return super().connect()
        except PoolTimeout:
            core_metrics.increment("database_pool_timeouts")
            raise


# SQLAlchemy sets this level for its own pool classes.
logging.getLogger(f"{InstrumentedPool.__module__}.{InstrumentedPool.__name__}").setLevel(logging.WARNING)


class MySQLConnectArgs(TypedDict):
    """The arguments of the MySQL driver's `connect`."""

    read_timeout: int
    write_timeout: int
    init_command: str


def options(settings: Settings, lock_wait_timeout: int = LOCK_WAIT_TIMEOUT) -> dict[str, object]:
    """Return the engine options for these settings."""
    url = settings.database_url
    common: dict[str, object] = {
        "url": url,
        "hide_parameters": True,
        "pool_timeout": 1,
        "pool_size": settings.database_pool_size,
    }
    if settings.is_metrics_enabled:
        common["poolclass"] = InstrumentedPool
    if is_sqlite(url):
        return {**common, "connect_args": {"timeout": READ_TIMEOUT, "factory": SQLiteConnection}}
    return {
        **common,
        "isolation_level": "READ COMMITTED",
        "max_overflow": MAX_OVERFLOW,
        "pool_recycle": 280,
        "pool_reset_on_return": None,  # transactions end explicitly; another ROLLBACK would cost a round trip
        "connect_args": {"connect_timeout": CONNECT_TIMEOUT, **mysql_connect_args(lock_wait_timeout=lock_wait_timeout)},
    }


def max_connections(settings: Settings) -> int:
    """Return the maximum number of connections of one process to MySQL or MariaDB."""
    return settings.database_pool_size + MAX_OVERFLOW + AUTOCOMMIT_POOL_SIZE


def autocommit_options(settings: Settings) -> dict[str, object]:
    """Return the options of the engine that commits each statement."""
    autocommit = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    common = options(settings, AUTOCOMMIT_LOCK_WAIT_TIMEOUT)
    return {**common, **autocommit, "pool_size": AUTOCOMMIT_POOL_SIZE, "max_overflow": 0}


def add_listeners(engine: Engine) -> None:
    """Ping connections that were idle, and replace the broken ones.

    A connection in regular use is not pinged: if it breaks, the transaction is retried.
    """
    if not is_sqlite(engine.url):
        listen(engine, "handle_error", _flag_node_not_ready)
        listen(engine, "checkin", _record_checkin)
        listen(engine, "checkout", lambda connection, record, _: _ping_if_idle(engine.dialect, connection, record))


def mysql_connect_args(
    read_timeout: int = READ_TIMEOUT, lock_wait_timeout: int = LOCK_WAIT_TIMEOUT
) -> MySQLConnectArgs:
    """Return the driver's arguments for MySQL and MariaDB. Migrations use a longer read timeout, in seconds."""
    session_variables = f"time_zone = '+00:00', innodb_lock_wait_timeout = {lock_wait_timeout}, sql_mode = '{SQL_MODE}'"
    return {
        "read_timeout": read_timeout,
        "write_timeout": read_timeout,
        "init_command": f"SET {session_variables}",
    }


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def is_disconnected(dialect: Dialect, error: BaseException) -> bool:
    """Return True if a connection can no longer be used.

    This includes a connection to a node outside its Galera cluster: the node rejects every statement, even ROLLBACK,
    and a new connection may reach a different node.
    """
    return dialect.is_disconnect(error, None, None) or _is_node_not_ready(error)  # type: ignore[arg-type]


def _is_node_not_ready(error: BaseException) -> bool:
    return error.args[:1] == (NODE_NOT_READY,)


def _flag_node_not_ready(context: ExceptionContext) -> None:
    if _is_node_not_ready(context.original_exception):
        context.is_disconnect = True


def _record_checkin(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _ping_if_idle(dialect: Dialect, connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    if time.monotonic() - record.info.get("used_at", math.inf) < PING_AFTER_IDLE:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error:
        raise InvalidatePoolError from None  # the other connections are probably broken too


@listens_for(Engine, "savepoint")
def _begin_sqlite_transaction(connection: Connection, _name: str | None) -> None:
    """Begin the transaction before a savepoint: the SQLite driver would begin it only before the first change."""
    driver = connection.connection.dbapi_connection
    if isinstance(driver, SQLiteConnection) and not driver.in_transaction:
        driver.execute("BEGIN")
