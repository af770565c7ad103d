"""Large datasets: users with one session each, generated inside the database, and their tokens."""

import shutil
import time
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from sqlalchemy import NullPool, create_engine
from tests.servers import MariaDB

from benchmarks.environment import BENCH_DIR, PASSWORD, RunningServer
from flaskauth.core import clock
from flaskauth.core.ids import RANDOM_BITS
from flaskauth.core.passwords import hashing
from flaskauth.sessions import refresh_tokens
from flaskauth.signing_keys import access_tokens, amr

BYTES_PER_USER = 2_000  # bytes on disk per user with a session, including indexes and temporary space
RESERVED_BYTES = 5_000_000_000  # bytes of free disk space to keep
EMAIL = "user{}@example.com"
SESSION_LIFETIME = timedelta(days=20)

USERS = """
INSERT INTO {name}.users (id, email, normalized_email, password, first_name, last_name, locale, is_verified,
                          last_login_at, created_at)
SELECT seq << {bits}, CONCAT('user', seq, '@example.com'), CONCAT('user', seq, '@example.com'),
       '{password}', 'Grace', 'Hopper', 'en', 1, '{now}', '{now}'
FROM {name}.seq_1_to_{user_count}
"""
SESSIONS = """
INSERT INTO {name}.sessions (id, user_id, nonce, generation, network, ip, user_agent,
                             created_at, last_used_at, idle_expires_at, expires_at)
SELECT seq << {bits}, seq << {bits}, UNHEX(SHA2(seq, 256)), 1,
       CONCAT('10.', seq >> 16, '.', seq >> 8 & 255, '.', seq & 255),
       '10.0.0.1', 'wrk', '{now}', '{now}', '{end}', '{end}'
FROM {name}.seq_1_to_{user_count}
"""
# Into an empty table, rows are inserted in key order, so the checks are unnecessary.
WITHOUT_CHECKS = "SET STATEMENT unique_checks = 0, foreign_key_checks = 0 FOR "


def user_network(number: int) -> str:
    """Return the network of the user's session."""
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def fill_database(database: MariaDB, name: str, user_count: int, server: RunningServer) -> None:
    """Insert users with one session each, numbered from 1, and wait until all pages are flushed to disk."""
    with server.app.app_context():
        password = hashing.hash_password(PASSWORD)
    now = clock.now()
    parameters = {
        "name": name,
        "user_count": user_count,
        "bits": RANDOM_BITS,
        "password": password,
        "now": f"{now:%F %T}",
    }
    for statement in (USERS, SESSIONS):
        database.execute(WITHOUT_CHECKS + statement.format(**parameters, end=f"{now + SESSION_LIFETIME:%F %T}"))
    database.execute(f"ANALYZE TABLE {name}.users, {name}.sessions")
    database.execute("SET GLOBAL innodb_max_dirty_pages_pct = 0")
    while int(query_as_root(database, "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")[0][1]) > 1000:
        time.sleep(0.5)
    database.execute("SET GLOBAL innodb_max_dirty_pages_pct = 90")


def query_as_root(database: MariaDB, statement: str, name: str = "mysql") -> Sequence[Sequence[str]]:
    """Run a statement as root in one database of the server, and return the rows as text."""
    engine = create_engine(database.root.set(database=name), poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(map(str, row)) for row in connection.exec_driver_sql(statement.replace("%", "%%"))]


def issue_access_tokens(server: RunningServer, numbers: Sequence[int]) -> list[str]:
    """Return new access tokens of the sessions with these numbers."""
    with server.app.app_context():
        ids = [number << RANDOM_BITS for number in numbers]
        return [access_tokens.issue(row_id, row_id, clock.now(), amr.PASSWORD) for row_id in ids]


def derive_refresh_tokens(server: RunningServer, numbers: Sequence[int]) -> list[str]:
    """Return the first refresh tokens of the sessions with these numbers, which must be unused."""
    with server.app.app_context():
        return [
            refresh_tokens.derive(number << RANDOM_BITS, 1, sha256(str(number).encode()).digest()) for number in numbers
        ]


def limit_to_disk(user_count: int) -> int:
    """Return the number of users, reduced to what the disk can hold."""
    free_bytes = shutil.disk_usage(BENCH_DIR).free
    return max(10_000, min(user_count, (free_bytes - RESERVED_BYTES) // BYTES_PER_USER))


def buffer_pool_size(requested: int) -> int:
    """Return the buffer pool size in bytes: as requested, but at most half of the available memory."""
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return min(requested, int(meminfo["MemAvailable"].split()[0]) * 1024 // 2)
