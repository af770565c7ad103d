"""People by the million: made inside the database, each with a session, and what any of them would bring."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from sqlalchemy import NullPool, create_engine
from tests.servers import MariaDB

from benchmarks.grounds import PASSWORD, Grounds
from flaskauth.foundation import clock, hashing
from flaskauth.foundation.ids import RANDOM_BITS
from flaskauth.keys import tokens
from flaskauth.sessions import refresh_tokens

ON_DISK = 2_000  # bytes of one person with a session, indexes and what filling takes meanwhile
SPARE = 5_000_000_000  # bytes of the disk that stay free
LIFE = timedelta(days=20)

USERS = """
INSERT INTO {name}.users (id, email, address, password, first_name, last_name, locale, is_verified,
                          signed_in_at, created_at)
SELECT seq << {bits}, CONCAT('person', LPAD(seq, 9, '0'), '@example.com'),
       CONCAT('person', LPAD(seq, 9, '0'), '@example.com'), '{password}', 'Grace', 'Hopper', 'en', 1, '{now}', '{now}'
FROM {name}.seq_1_to_{people}
"""
SESSIONS = """
INSERT INTO {name}.sessions (id, user_id, nonce, generation, network, ip, device,
                             created_at, last_used_at, idle_ends_at, ends_at)
SELECT seq << {bits}, seq << {bits}, UNHEX(SHA2(seq, 256)), 1,
       CONCAT('10.', seq >> 16, '.', seq >> 8 & 255, '.', seq & 255),
       '10.0.0.1', 'wrk', '{now}', '{now}', '{end}', '{end}'
FROM {name}.seq_1_to_{people}
"""
UNCHECKED = "SET STATEMENT unique_checks = 0, foreign_key_checks = 0 FOR "  # into an empty table: pages in key order


def email(number: int) -> str:
    return f"person{number:09}@example.com"


def network(number: int) -> str:
    """Where somebody signed in from."""
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def fill(database: MariaDB, name: str, people: int, where: Grounds) -> None:
    """So many people with a session each, numbered from 1; then wait until all of it is on the disk."""
    with where.app.app_context():
        password = hashing.hash_password(PASSWORD)
    now = clock.now()
    told = {"name": name, "people": people, "bits": RANDOM_BITS, "password": password, "now": f"{now:%F %T}"}
    for statement in (USERS, SESSIONS):
        database.execute(UNCHECKED + statement.format(**told, end=f"{now + LIFE:%F %T}"))
    database.execute(f"ANALYZE TABLE {name}.users, {name}.sessions")
    database.execute("SET GLOBAL innodb_max_dirty_pages_pct = 0")
    while int(asked(database, "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")[0][1]) > 1000:
        time.sleep(0.5)
    database.execute("SET GLOBAL innodb_max_dirty_pages_pct = 90")


def asked(database: MariaDB, statement: str, name: str = "mysql") -> Sequence[Sequence[str]]:
    """What the server's root is answered in one of its databases."""
    engine = create_engine(database.root.set(database=name), poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(map(str, row)) for row in connection.exec_driver_sql(statement.replace("%", "%%"))]


def access_tokens(where: Grounds, numbers: Sequence[int]) -> list[str]:
    """As their sessions would give them."""
    with where.app.app_context():
        return [tokens.issue(number << RANDOM_BITS, number << RANDOM_BITS, clock.now()) for number in numbers]


def first_refresh_tokens(where: Grounds, numbers: Sequence[int]) -> list[str]:
    """Those of sessions that nobody has used yet."""
    with where.app.app_context():
        return [
            refresh_tokens.derive(number << RANDOM_BITS, 1, sha256(str(number).encode()).digest()) for number in numbers
        ]


def that_fit(people: int) -> int:
    """As many as the disk has room for."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    return max(10_000, min(people, (free - SPARE) // ON_DISK))


def buffer_pool(wanted: int) -> int:
    """Bytes for the pages that the database keeps in memory: as wanted, or half of what is free."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return min(wanted, int(lines["MemAvailable"].split()[0]) * 1024 // 2)
