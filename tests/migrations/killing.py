"""Migrates a database by processes that are killed, each one change later than the one before: python -m ... URL."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Engine, NullPool, create_engine, inspect, make_url, text
from sqlalchemy.event import listens_for

from flaskauth import migrations
from flaskauth.migrations.lock import TABLE

CHANGING = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE")


def is_of_a_revision(statement: str) -> bool:
    return TABLE not in statement and f"CREATE TABLE {migrations.VERSIONS}" not in statement


def is_of_the_lock(statement: str) -> bool:
    return TABLE in statement


def is_killed(url: URL, at: int, *, of_lock: bool = False) -> bool:
    """Upgrade in a process of its own that is killed after so many changes; False where it came to its end."""
    child = os.fork()
    if child == 0:
        _die_after(at, of_lock=of_lock)
        migrations.upgrade(url)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0, status
    return os.WIFSIGNALED(status)


def _die_after(changes: int, *, of_lock: bool) -> None:
    left = changes
    counts = is_of_the_lock if of_lock else is_of_a_revision

    @listens_for(Engine, "after_cursor_execute")
    def count(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        nonlocal left
        left -= statement.lstrip().startswith(CHANGING) and counts(statement)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def looked_at(url: URL) -> Iterator[Engine]:
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    engine.dispose()


def bury(url: URL) -> None:
    """What 20 seconds of silence do."""
    with looked_at(url) as engine, engine.begin() as connection:
        if inspect(connection).has_table(TABLE):
            connection.execute(text(f"UPDATE {TABLE} SET owner = NULL"))


def walk(url: URL) -> int:
    """Kill after the first change, the second ...; how many processes it took."""
    kills, at, stands = 0, 1, migrations.revision(url)
    while is_killed(url, at):
        kills, at = kills + 1, at + 1
        bury(url)
        if stands != (stands := migrations.revision(url)):
            at = 1
    return kills


def walk_through_the_lock(url: URL) -> int:
    """Kill after each of the changes that take the lock."""
    kills = 0
    for at in (1, 2, 3, 4):  # its table, its row, its owner, from where it goes
        kills += is_killed(url, at, of_lock=True)
        bury(url)
    return kills


if __name__ == "__main__":
    walked = walk_through_the_lock if "lock" in sys.argv else walk
    sys.stdout.write(str(walked(make_url(sys.argv[1]))))
