"""How the database server is set up: what holds for every database on it."""

import os
import re

from sqlalchemy import Connection, text

from flaskauth.doctor.findings import Finding, counted, doubtful, fine, serious, wrong
from flaskauth.foundation import engine
from flaskauth.foundation.current import settings
from flaskauth.settings import is_loopback

OLDEST = {"MySQL": (8, 0), "MariaDB": (10, 6)}
SAFE = {"innodb_flush_log_at_trx_commit": 1, "sync_binlog": 1}
OVER_TLS = "Append ?ssl_ca=/path/of/its/authority.pem to SQLALCHEMY_DATABASE_URI."
WAITS_TO_READ = 1  # a bit of wsrep_sync_wait
RESERVE = 39  # connections: 8 for each of the four processes of the worker, the others for operators


def version(connection: Connection) -> Finding:
    """Which one it is, how it is spoken to, and whether it is young enough."""
    if connection.dialect.name == "sqlite":
        return fine(f"SQLite {_asked(connection, 'SELECT sqlite_version()')}")
    told = str(_asked(connection, "SELECT VERSION()"))
    name, found = "MariaDB" if "MariaDB" in told else "MySQL", re.search(r"(\d+)\.(\d+)\.\d+", told)
    if found and (int(found[1]), int(found[2])) < OLDEST[name]:
        return wrong(f"{name} {found[0]} is too old", f"{name} {'.'.join(map(str, OLDEST[name]))} or newer is needed.")
    return fine(f"{name} {found[0] if found else told}, spoken to by {connection.dialect.driver}")


def session(connection: Connection) -> Finding:
    """Whether our connections have what the engine asked for; a proxy between may lose it."""
    if connection.dialect.name == "sqlite":
        return fine("as flaskauth asks for")
    is_so = {
        "isolation READ COMMITTED": connection.get_isolation_level() == "READ COMMITTED",
        "time zone +00:00": _asked(connection, "SELECT @@session.time_zone") == "+00:00",
        "character set utf8mb4": _asked(connection, "SELECT @@character_set_connection") == "utf8mb4",
        f"sql_mode {engine.MODE}": set(engine.MODE.split(",")) <= _modes(connection),
    }
    if lost := [what for what, kept in is_so.items() if not kept]:
        return wrong(
            f"our connections lack: {'; '.join(lost)}",
            "Something between here and the database (ProxySQL, MaxScale) changes what they ask for: have it not.",
        )
    return fine("READ COMMITTED, UTC, utf8mb4, strict")


def _durability(connection: Connection) -> Finding:
    if connection.dialect.name == "sqlite":
        return _durability_of_file(connection)
    names = [name for name in SAFE if name != "sync_binlog" or _is_on(connection, "log_bin")]
    values = {name: int(str(_asked(connection, f"SELECT @@global.{name}"))) for name in names}
    if unsafe := [f"{name}={value}" for name, value in values.items() if value != SAFE[name]]:
        return serious(
            f"a power cut undoes what was answered ({', '.join(unsafe)}): used codes and spent guesses are good again",
            f"Set {' and '.join(f'{name}={SAFE[name]}' for name in names)} in its configuration.",
        )
    return fine("what was committed is on the disk")


def _durability_of_file(connection: Connection) -> Finding:
    if _asked(connection, "PRAGMA synchronous") == 2 and _asked(connection, "PRAGMA journal_mode") == "wal":
        return fine("what was committed is on the disk")
    return serious("SQLite does not keep a write-ahead log here", "Put the file on a local disk, not on NFS.")


def cluster(connection: Connection) -> Finding:
    """Whether a node of a Galera cluster waits for what the others have committed before it reads."""
    if connection.dialect.name == "sqlite":
        return fine("a file")
    asked = text("SHOW SESSION VARIABLES WHERE Variable_name IN ('wsrep_on', 'wsrep_sync_wait')")
    told = {str(name): str(value) for name, value in connection.execute(asked)}
    if told.get("wsrep_on") != "ON":
        return fine("one server, no node of a Galera cluster")
    if not int(told["wsrep_sync_wait"]) & WAITS_TO_READ:
        return doubtful(
            f"a node reads before it has what another acknowledged (wsrep_sync_wait={told['wsrep_sync_wait']}): what"
            " was ended there may be good here for a moment",
            "Set wsrep_sync_wait=7 in the configuration of each node.",
        )
    return fine("a node that has what the others acknowledged before it reads")


def _writable(connection: Connection) -> Finding:
    if connection.dialect.name == "sqlite":
        is_writable = os.access(settings().database_url.database or "", os.W_OK)
        return (
            fine("can be written") if is_writable else wrong("this user may not write the file", "chown or chmod it.")
        )
    if any(_is_on(connection, name) for name in ("read_only", "innodb_read_only")):
        return wrong("it is read-only", "Lead SQLALCHEMY_DATABASE_URI to the primary, or SET GLOBAL read_only=0.")
    return fine("can be written")


def _connections(connection: Connection) -> Finding:
    if connection.dialect.name == "sqlite":
        return fine("SQLite has no limit")
    processes = counted(settings().web_concurrency, "process", "processes")
    wanted = settings().web_concurrency * engine.most_connections(settings()) + RESERVE
    limits = [int(str(_asked(connection, f"SELECT @@{name}"))) for name in ("max_connections", "max_user_connections")]
    allowed = min(limit for limit in limits if limit)
    if wanted > allowed:
        return wrong(
            f"{processes} may want {wanted} connections, and {allowed} are given",
            "Raise max_connections (or max_user_connections), or lower WEB_CONCURRENCY or DATABASE_POOL_SIZE.",
        )
    return fine(f"{processes} may want {wanted}, and {allowed} are given")


def _encryption(connection: Connection) -> Finding:
    url = settings().database_url
    if connection.dialect.name == "sqlite" or "unix_socket" in url.query or is_loopback(url.host or "localhost"):
        return fine("on this machine")
    cipher = connection.execute(text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).one()[1]
    if not cipher:
        return doubtful("what it says and hears crosses the network in clear", OVER_TLS)
    if "ssl_ca" not in url.query:
        return doubtful(f"over TLS ({cipher}), but it need not prove who it is", OVER_TLS)
    return fine(f"over TLS ({cipher})")


def _is_on(connection: Connection, name: str) -> bool:
    """A switch; newer versions tell some of them in words."""
    return str(_asked(connection, f"SELECT @@global.{name}")) not in {"0", "OFF"}


def _modes(connection: Connection) -> set[str]:
    return set(str(_asked(connection, "SELECT @@session.sql_mode")).split(","))


def _asked(connection: Connection, statement: str) -> object:
    found: object = connection.execute(text(statement)).scalar_one()
    return found


CHECKS = {
    "session": session,
    "durability": _durability,
    "cluster": cluster,
    "writable": _writable,
    "connections": _connections,
    "encryption": _encryption,
}
