"""A migration that was killed, wherever it was, is run again, and ends where an undisturbed one does."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DatabaseError
from tests.conftest import servers
from tests.migrations.test_migrating_at_once import execute

from flaskauth import migrations

Fresh = Callable[[], Engine]


def walked(engine: Engine, *more: str) -> int:
    """How many processes were killed on the way."""
    url = engine.url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-m", "tests.migrations.killing", url, *more], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def whole(engine: Engine) -> dict[str, Any]:
    """Every table with its columns, keys and indexes, and the rows that migrations write."""
    there = inspect(engine)
    looks = (there.get_columns, there.get_pk_constraint, there.get_foreign_keys, there.get_indexes)
    tables = {
        name: [sorted(map(repr, found)) for found in (look(name) for look in looks)] for name in there.get_table_names()
    }
    with engine.connect() as connection:
        rows = {
            name: sorted(map(repr, connection.execute(text(f"SELECT * FROM {name}"))))
            for name in ("regions", "countries", "alembic_version")
        }
    return {"tables": tables, "rows": rows}


def test_killed_after_each_change_it_ends_as_if_undisturbed(engine: Engine, fresh: Fresh) -> None:
    undisturbed = fresh()
    migrations.upgrade(undisturbed.url)

    kills = walked(engine)

    assert whole(engine) == whole(undisturbed)
    assert kills > 90


def test_killed_while_it_takes_the_lock_it_ends_the_same(engine: Engine, fresh: Fresh) -> None:
    undisturbed = fresh()
    migrations.upgrade(undisturbed.url)

    assert walked(engine, "lock") == 4
    migrations.upgrade(engine.url)

    assert whole(engine) == whole(undisturbed)


@pytest.mark.parametrize("empties", servers(), indirect=True)
def test_the_database_may_still_be_at_what_a_killed_one_asked_for(engine: Engine) -> None:
    """It changes a table to the end, whoever asked for it; here a report keeps it from that for a while."""
    migrations.upgrade(engine.url, "0004")
    execute(engine, "UPDATE schema_locks SET left_from = '0004'")
    with ThreadPoolExecutor() as pool, engine.connect() as report:
        report.execute(text("SELECT COUNT(*) FROM users"))
        rest = pool.submit(execute, engine, "ALTER TABLE users ADD COLUMN disabled_at DATETIME(6)")
        time.sleep(0.5)
        again = pool.submit(migrations.upgrade, engine.url)
        time.sleep(0.7)  # it asks for the same, and is behind in the queue
        report.rollback()
        rest.result()
        again.result()

    assert migrations.revision(engine.url) == migrations.head()


def test_what_is_somebody_elses_is_not_taken_for_ours(engine: Engine) -> None:
    """Nothing broke off, so a table that is there already is none that we made."""
    migrations.upgrade(engine.url, "0002")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE links (name VARCHAR(10))"))

    with pytest.raises(DatabaseError, match="already exists"):
        migrations.upgrade(engine.url)
