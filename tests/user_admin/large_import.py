"""Measure a large import, once uninterrupted and once killed halfway and resumed, each on an empty MariaDB database.

Run `python -m tests.user_admin.large_import [USERS]`. Both imports must end with the same table, within the time limit.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, create_engine, text
from tests.e2e.processes import BIN_FOLDER, Workspace
from tests.servers import MariaDB
from tests.user_admin.sample_hashes import SAMPLES

from flaskauth.settings import with_driver

USER_COUNT = 100_000
MAX_SECONDS = 90.0  # for USER_COUNT users
INSERT_USER = """
INSERT INTO users (id, email, normalized_email, first_name, last_name, locale, is_verified, created_at)
VALUES (:id, :email, :email, '', '', 'en', 0, NOW())
"""
HEADER = "id,email,first_name,last_name,verified,password,country,locale,created_at\n"


def write_csv(file: Path, user_count: int) -> None:
    """Write a CSV file with this many users, using each sample hash in turn."""
    hashes = list(SAMPLES.values())
    with file.open("w", encoding="utf-8") as output:
        output.write(HEADER)
        output.writelines(_row(number, hashes[number % len(hashes)]) for number in range(1, user_count + 1))


def _row(number: int, password_hash: str) -> str:
    created_at = f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}T10:00:00Z"
    identity = f'{number},user{number}@example.com,Grâce {number},"Hopper, {number}",{number % 3 % 2}'
    return f'{identity},"{password_hash}",NG,en,{created_at}\n'


def table_checksum(engine: Engine) -> str:
    """Return the row count and the checksum of the users table."""
    with engine.connect() as connection:
        row = connection.execute(text("CHECKSUM TABLE users")).one()
        count = connection.execute(text("SELECT COUNT(*) FROM users")).scalar_one()
        return f"{count} users, checksum {row[1]}"


def count_users(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT COUNT(*) FROM users")).scalar_one())


@contextmanager
def import_database(server: MariaDB, name: str, folder: Path) -> Iterator[tuple[Workspace, Engine]]:
    """Create a database with the schema, and a workspace whose commands use it."""
    server.create(name)
    workspace = Workspace(folder, {"SQLALCHEMY_DATABASE_URI": server.url(name), "FLASKAUTH_ENV": "development"})
    workspace.run("flaskauth", "db", "upgrade")
    engine = create_engine(with_driver(server.url(name)), isolation_level="READ COMMITTED")
    yield workspace, engine
    engine.dispose()
    server.drop(name)


def start_import(workspace: Workspace, file: Path) -> "subprocess.Popen[bytes]":
    command = [str(BIN_FOLDER / "flaskauth"), "users", "import", str(file)]
    return subprocess.Popen(command, cwd=workspace.folder, env=workspace.environment, stdout=subprocess.DEVNULL)


def kill_halfway(workspace: Workspace, engine: Engine, file: Path, user_count: int) -> int:
    """Start an import, kill it when half of the users are stored, and return how many are.

    A transaction that creates the next user makes the import wait, so that it cannot end before it is killed.
    """
    with engine.connect() as connection:
        next_id = user_count // 2 + 1
        connection.execute(text(INSERT_USER), {"id": next_id, "email": f"user{next_id}@example.com"})
        process = start_import(workspace, file)
        while count_users(engine) < user_count // 2:
            assert process.poll() is None, "the import ended before it could be killed"
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        connection.rollback()
    return count_users(engine)


def main(user_count: int) -> int:
    with TemporaryDirectory() as folder, MariaDB() as server:
        file = Path(folder, "users.csv")
        write_csv(file, user_count)
        print(f"{user_count:,} users, {file.stat().st_size / 1e6:.0f} MB of CSV", flush=True)
        with import_database(server, "uninterrupted", Path(folder)) as (workspace, engine):
            started = time.monotonic()
            assert start_import(workspace, file).wait() == 0
            uninterrupted_seconds = time.monotonic() - started
            uninterrupted = table_checksum(engine)
        rate = user_count / uninterrupted_seconds
        print(f"uninterrupted: {uninterrupted_seconds:.1f} s, {rate:,.0f} users/s; {uninterrupted}", flush=True)
        with import_database(server, "resumed", Path(folder)) as (workspace, engine):
            started = time.monotonic()
            imported_before_kill = kill_halfway(workspace, engine, file, user_count)
            assert start_import(workspace, file).wait() == 0
            resumed_seconds = time.monotonic() - started
            resumed = table_checksum(engine)
        print(f"killed at {imported_before_kill:,}, resumed: {resumed_seconds:.1f} s in total; {resumed}", flush=True)
    time_limit = MAX_SECONDS * user_count / USER_COUNT
    passed = uninterrupted == resumed and max(uninterrupted_seconds, resumed_seconds) < time_limit
    print("same result" if uninterrupted == resumed else "DIFFERENT RESULTS", f"time limit {time_limit:.0f} s")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else USER_COUNT))
