"""A migration that is killed at any statement can be run again, and ends with the same schema and rows."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DatabaseError
from tests.conftest import sql_servers
from tests.migrations import newer_version
from tests.migrations.test_concurrent_migrations import execute, workspace_for

from flaskauth import migrations

NewEngine = Callable[[], Engine]


def run_killed_upgrades(engine: Engine, mode: str) -> int:
    """Upgrade with processes that are killed, and return their number."""
    url = engine.url.render_as_string(hide_password=False)
    result = subprocess.run(
        [sys.executable, "-m", "tests.migrations.kill_upgrade", url, mode],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


def schema_and_rows(engine: Engine) -> dict[str, Any]:
    """Return every table with its columns, keys and indexes, and the rows that migrations write."""
    inspector = inspect(engine)
    readers = (inspector.get_columns, inspector.get_pk_constraint, inspector.get_foreign_keys, inspector.get_indexes)
    tables = {name: [sorted(map(repr, read(name))) for read in readers] for name in inspector.get_table_names()}
    with engine.connect() as connection:
        rows = {
            name: sorted(map(repr, connection.execute(text(f"SELECT * FROM {name}"))))
            for name in ("regions", "countries", "alembic_version")
        }
    return {"tables": tables, "rows": rows}


@pytest.mark.parametrize(("step", "min_kills"), [(7, 5), pytest.param(1, 36, marks=pytest.mark.slow)])
def test_migration_killed_after_changes_completes(
    engine: Engine, new_engine: NewEngine, step: int, min_kills: int
) -> None:
    undisturbed = new_engine()
    migrations.upgrade(undisturbed.url)

    kills = run_killed_upgrades(engine, str(step))

    assert schema_and_rows(engine) == schema_and_rows(undisturbed)
    assert kills >= min_kills


def test_migration_killed_while_taking_the_lock_completes(engine: Engine, new_engine: NewEngine) -> None:
    undisturbed = new_engine()
    migrations.upgrade(undisturbed.url)

    assert run_killed_upgrades(engine, "lock") == 4
    migrations.upgrade(engine.url)

    assert schema_and_rows(engine) == schema_and_rows(undisturbed)


@pytest.mark.parametrize("empty_databases", sql_servers(), indirect=True)
def test_migration_waits_for_statement_of_a_killed_process(engine: Engine, tmp_path: Path) -> None:
    """The server finishes an ALTER TABLE after its client is killed; here a long report delays it."""
    migrations.upgrade(engine.url)
    execute(engine, f"UPDATE schema_locks SET left_from = '{migrations.head()}'")
    workspace = workspace_for(engine, tmp_path)
    upgrade = ("alembic", "-c", str(newer_version.write_newer_migrations(tmp_path)), "upgrade", "head")
    with ThreadPoolExecutor() as pool, engine.connect() as report:
        report.execute(text("SELECT COUNT(*) FROM users"))
        interrupted = pool.submit(execute, engine, "ALTER TABLE users ADD COLUMN motto VARCHAR(100)")
        time.sleep(0.5)
        repeated = pool.submit(workspace.run, *upgrade)
        time.sleep(3)  # the second upgrade waits for the same table
        report.rollback()
        interrupted.result()
        repeated.result()

    assert migrations.current_revision(engine.url) == newer_version.NEWEST_REVISION


def test_migration_fails_on_a_table_it_did_not_create(engine: Engine) -> None:
    """Without an interrupted migration, an existing table belongs to a different application."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE email_links (name VARCHAR(10))"))

    with pytest.raises(DatabaseError, match="already exists"):
        migrations.upgrade(engine.url)
