"""Check the configuration of the database server."""

import os
import re

from sqlalchemy import Connection, text

from flaskauth.core.context import settings
from flaskauth.core.db import engine
from flaskauth.doctor.findings import Finding, failed, failed_in_production, ok, warning
from flaskauth.settings import is_loopback

MIN_VERSIONS = {"MySQL": (8, 0), "MariaDB": (10, 6)}
DURABLE_VALUES = {"innodb_flush_log_at_trx_commit": 1, "sync_binlog": 1}
TLS_ADVICE = "Append ?ssl_ca=/path/of/its/authority.pem to SQLALCHEMY_DATABASE_URI."
SYNC_WAIT_READ = 1  # bit of wsrep_sync_wait: reads wait
RESERVED_CONNECTIONS = 43  # 9 for each of the four worker processes, 7 for operators


def check_version(connection: Connection) -> Finding:
    """Check the version of the database server."""
    if connection.dialect.name == "sqlite":
        return ok(f"SQLite {_query(connection, 'SELECT sqlite_version()')}")
    version_text = str(_query(connection, "SELECT VERSION()"))
    name, version = "MariaDB" if "MariaDB" in version_text else "MySQL", re.search(r"(\d+)\.(\d+)\.\d+", version_text)
    if version and (int(version[1]), int(version[2])) < MIN_VERSIONS[name]:
        return failed(
            f"{name} {version[0]} is too old", f"Install {name} {'.'.join(map(str, MIN_VERSIONS[name]))} or newer."
        )
    return ok(f"{name} {version[0] if version else version_text}, driver {connection.dialect.driver}")


def check_session(connection: Connection) -> Finding:
    """Check the session variables that the engine sets. A database proxy may lose them."""
    if connection.dialect.name == "sqlite":
        return ok("SQLite needs no session variables")
    matches = {
        "isolation READ COMMITTED": connection.get_isolation_level() == "READ COMMITTED",
        "time zone +00:00": _query(connection, "SELECT @@session.time_zone") == "+00:00",
        "character set utf8mb4": _query(connection, "SELECT @@character_set_connection") == "utf8mb4",
        f"sql_mode {engine.SQL_MODE}": set(engine.SQL_MODE.split(",")) <= _sql_modes(connection),
    }
    if missing := [name for name, is_set in matches.items() if not is_set]:
        return failed(
            f"connections do not have: {'; '.join(missing)}",
            "Configure the database proxy (ProxySQL, MaxScale) to keep session variables.",
        )
    return ok("READ COMMITTED, UTC, utf8mb4, strict")


def _check_durability(connection: Connection) -> Finding:
    if connection.dialect.name == "sqlite":
        return _check_sqlite_durability(connection)
    names = [name for name in DURABLE_VALUES if name != "sync_binlog" or _is_enabled(connection, "log_bin")]
    values = {name: int(str(_query(connection, f"SELECT @@global.{name}"))) for name in names}
    if unsafe := [f"{name}={value}" for name, value in values.items() if value != DURABLE_VALUES[name]]:
        return failed_in_production(
            f"a power failure can undo acknowledged commits ({', '.join(unsafe)}):"
            " used codes become valid again, and counted attempts are lost",
            f"Set {' and '.join(f'{name}={DURABLE_VALUES[name]}' for name in names)} in the database configuration.",
        )
    return ok("commits are written to disk")


def _check_sqlite_durability(connection: Connection) -> Finding:
    if _query(connection, "PRAGMA synchronous") == 2 and _query(connection, "PRAGMA journal_mode") == "wal":
        return ok("commits are written to disk")
    return failed_in_production(
        "SQLite does not use a write-ahead log", "Move the file to a local disk; NFS is not supported."
    )


def check_cluster(connection: Connection) -> Finding:
    """Check that a Galera node waits for the commits of the other nodes before it reads."""
    if connection.dialect.name == "sqlite":
        return ok("SQLite has no cluster")
    query = text("SHOW SESSION VARIABLES WHERE Variable_name IN ('wsrep_on', 'wsrep_sync_wait')")
    variables = {str(name): str(value) for name, value in connection.execute(query)}
    if variables.get("wsrep_on") != "ON":
        return ok("not a Galera node")
    if not int(variables["wsrep_sync_wait"]) & SYNC_WAIT_READ:
        return warning(
            f"a node can read before it has other nodes' commits (wsrep_sync_wait={variables['wsrep_sync_wait']}):"
            " sessions that were revoked there may stay valid here for a moment",
            "Set wsrep_sync_wait=7 in the configuration of each node.",
        )
    return ok("the Galera node waits for the commits of the other nodes")


def _check_writable(connection: Connection) -> Finding:
    if connection.dialect.name == "sqlite":
        is_writable = os.access(settings().database_url.database or "", os.W_OK)
        return ok("writable") if is_writable else failed("this user cannot write to the file", "Run chown or chmod.")
    if any(_is_enabled(connection, name) for name in ("read_only", "innodb_read_only")):
        return failed("read-only", "Set SQLALCHEMY_DATABASE_URI to the primary, or run SET GLOBAL read_only=0.")
    return ok("writable")


def _check_connections(connection: Connection) -> Finding:
    if connection.dialect.name == "sqlite":
        return ok("SQLite has no limit")
    server = f"with WEB_CONCURRENCY={settings().web_concurrency}, the server"
    required = settings().web_concurrency * engine.max_connections(settings()) + RESERVED_CONNECTIONS
    limits = [int(str(_query(connection, f"SELECT @@{name}"))) for name in ("max_connections", "max_user_connections")]
    allowed = min(limit for limit in limits if limit)
    if required > allowed:
        return failed(
            f"{server} can open {required} connections, but only {allowed} are allowed",
            "Raise max_connections (or max_user_connections), or lower WEB_CONCURRENCY or DATABASE_POOL_SIZE.",
        )
    return ok(f"{server} can open {required} connections, and {allowed} are allowed")


def _check_encryption(connection: Connection) -> Finding:
    url = settings().database_url
    if connection.dialect.name == "sqlite" or "unix_socket" in url.query or is_loopback(url.host or "localhost"):
        return ok("not needed: the database is on this machine")
    cipher = connection.execute(text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).one()[1]
    if not cipher:
        return warning("the connection to the database is not encrypted", TLS_ADVICE)
    if "ssl_ca" not in url.query:
        return warning(f"TLS ({cipher}) without verification of the server certificate", TLS_ADVICE)
    return ok(f"TLS ({cipher})")


def _is_enabled(connection: Connection, name: str) -> bool:
    """Return True if a boolean variable is on. Versions return 1 or ON."""
    return str(_query(connection, f"SELECT @@global.{name}")) not in {"0", "OFF"}


def _sql_modes(connection: Connection) -> set[str]:
    return set(str(_query(connection, "SELECT @@session.sql_mode")).split(","))


def _query(connection: Connection, statement: str) -> object:
    value: object = connection.execute(text(statement)).scalar_one()
    return value


CHECKS = {
    "session": check_session,
    "durability": _check_durability,
    "cluster": check_cluster,
    "writable": _check_writable,
    "connections": _check_connections,
    "encryption": _check_encryption,
}
