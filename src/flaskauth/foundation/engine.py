"""How connections are made: READ COMMITTED, UTC, bounded waits, durable."""

import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.event import listens_for

from flaskauth.settings import Settings

CONNECT_TIMEOUT = 2  # seconds
ANSWER_TIMEOUT = 5
LOCK_WAIT = 3
MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


class Embedded(sqlite3.Connection):
    """Readers beside one writer, enforced references, and a commit that is on the disk when it returns."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            self.execute(f"PRAGMA {pragma}")


def options(settings: Settings) -> dict[str, Any]:
    """The engine's options for these settings."""
    url = settings.database_url
    common = {"url": url, "hide_parameters": True, "pool_timeout": 1, "pool_size": settings.database_pool_size}
    if url.get_backend_name() == "sqlite":
        return {**common, "connect_args": {"timeout": ANSWER_TIMEOUT, "factory": Embedded}}
    return {
        **common,
        "isolation_level": "READ COMMITTED",
        "max_overflow": 4,
        "pool_pre_ping": True,
        "pool_recycle": 280,
        "connect_args": {"connect_timeout": CONNECT_TIMEOUT, **server_options()},
    }


def server_options(answer_timeout: int = ANSWER_TIMEOUT) -> dict[str, Any]:
    """What each connection to MySQL or MariaDB asks for; migrations wait longer for an answer."""
    return {
        "read_timeout": answer_timeout,
        "write_timeout": answer_timeout,
        "init_command": f"SET time_zone = '+00:00', innodb_lock_wait_timeout = {LOCK_WAIT}, sql_mode = '{MODE}'",
    }


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


@listens_for(Engine, "savepoint")
def _begin(connection: Connection, _name: str | None) -> None:
    """A savepoint is part of a transaction; SQLite's driver begins one only before the first change."""
    driver = connection.connection.dbapi_connection
    if isinstance(driver, Embedded) and not driver.in_transaction:
        driver.execute("BEGIN")
