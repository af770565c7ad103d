"""A migration that was killed, wherever it was, is run again, and ends where an undisturbed one does."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DatabaseError

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


def test_what_is_somebody_elses_is_not_taken_for_ours(engine: Engine) -> None:
    """Nothing broke off, so a table that is there already is none that we made."""
    migrations.upgrade(engine.url, "0002")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE links (name VARCHAR(10))"))

    with pytest.raises(DatabaseError, match="already exists"):
        migrations.upgrade(engine.url)
