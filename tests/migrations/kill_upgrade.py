"""Migrate a database with processes that are killed, each some statements later than the one before.

Usage: python -m tests.migrations.kill_upgrade URL STEP|lock
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Engine, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.event import listens_for

from flaskauth import migrations
from flaskauth.migrations.lock import TABLE_NAME

WRITE_STATEMENTS = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE")


def is_revision_statement(statement: str) -> bool:
    return TABLE_NAME not in statement and f"CREATE TABLE {migrations.VERSION_TABLE}" not in statement


def is_lock_statement(statement: str) -> bool:
    return TABLE_NAME in statement


def upgrade_and_kill(url: URL, writes: int, *, of_lock: bool = False) -> bool:
    """Upgrade in a forked process that is killed after this number of writes. Return False if it finished before."""
    child = os.fork()
    if child == 0:
        _kill_self_after(writes, of_lock=of_lock)
        migrations.upgrade(url)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0, status
    return os.WIFSIGNALED(status)


def _kill_self_after(writes: int, *, of_lock: bool) -> None:
    remaining = writes
    is_counted = is_lock_statement if of_lock else is_revision_statement

    @listens_for(Engine, "after_cursor_execute")
    def on_execute(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        nonlocal remaining
        remaining -= statement.lstrip().startswith(WRITE_STATEMENTS) and is_counted(statement)
        if remaining == 0:
            os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def temporary_engine(url: URL) -> Iterator[Engine]:
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    engine.dispose()


def expire_lock(url: URL) -> None:
    """Release the lock of a dead process without waiting for the 20 seconds after which it is stale."""
    with temporary_engine(url) as engine, engine.begin() as connection:
        if inspect(connection).has_table(TABLE_NAME):
            connection.execute(text(f"UPDATE {TABLE_NAME} SET owner = NULL"))


def kill_at_changes(url: URL, step: int) -> int:
    """Kill after the first write, then `step` writes later and so on. Return the number of killed processes."""
    kills, writes, revision = 0, 1, migrations.current_revision(url)
    while upgrade_and_kill(url, writes):
        kills, writes = kills + 1, writes + step
        expire_lock(url)
        if revision != (revision := migrations.current_revision(url)):
            writes = 1
    return kills


def kill_at_each_lock_change(url: URL) -> int:
    """Kill after each of the writes that acquire the lock. Return the number of killed processes."""
    kills = 0
    for writes in (1, 1, 1, 2):  # create the table; insert the row; set the owner; set the owner and the revision
        kills += upgrade_and_kill(url, writes, of_lock=True)
        expire_lock(url)
    return kills


if __name__ == "__main__":
    database, mode = make_url(sys.argv[1]), sys.argv[2]
    count = kill_at_each_lock_change(database) if mode == "lock" else kill_at_changes(database, int(mode))
    sys.stdout.write(str(count))
