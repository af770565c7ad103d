"""Concurrent migrations of one database: one runs, the others wait for it, and take over if it dies."""

import re
import time
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.event import listen, remove
from tests.conftest import sql_servers
from tests.e2e.processes import Workspace
from tests.support.inspect import run_concurrently

from flaskauth import migrations
from flaskauth.migrations import lock

REPOSITORY = Path(__file__).parents[2]
DEAD_OWNER = "a machine, process 1 (cafe)"


def execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def running_migration(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return migrations.lock_owner(connection)


def workspace_for(engine: Engine, folder: Path) -> Workspace:
    url = engine.url.render_as_string(hide_password=False)
    return Workspace(folder, {"SQLALCHEMY_DATABASE_URI": url, "FLASKAUTH_ENV": "development"})


def test_migration_five_concurrent_upgrades_run_once(engine: Engine, tmp_path: Path) -> None:
    workspace = workspace_for(engine, tmp_path)
    cli_command, alembic_command = (
        ("flaskauth", "db", "upgrade"),
        ("alembic", "-c", str(REPOSITORY / "alembic.ini"), "upgrade", "head"),
    )

    outputs = run_concurrently(
        [partial(workspace.run, *command) for command in [cli_command] * 3 + [alembic_command] * 2]
    )

    assert sum(f"is at revision {migrations.head()}" in output for output in outputs) == 3
    with engine.connect() as connection:
        assert migrations.is_current(connection)
        assert connection.scalar(text("SELECT COUNT(*) FROM countries")) == 249
    assert running_migration(engine) is None


def test_migration_waits_for_the_lock_owner_and_continues(engine: Engine, tmp_path: Path) -> None:
    migrations.upgrade(engine.url)
    migrations.downgrade(engine.url, "0001")
    execute(engine, f"UPDATE schema_locks SET owner = '{DEAD_OWNER}'")
    with workspace_for(engine, tmp_path).start("flaskauth", "db", "upgrade") as waiting:
        waiting.wait_for_output(f"{DEAD_OWNER} is changing the schema. Waiting for it.")
        assert migrations.current_revision(engine.url) == "0001"
        assert running_migration(engine) == DEAD_OWNER

        execute(engine, "UPDATE schema_locks SET owner = NULL")
        waiting.wait_until(lambda: migrations.current_revision(engine.url) == migrations.head())


@pytest.mark.parametrize("empty_databases", sql_servers(), indirect=True)
def test_migration_takes_over_lock_of_a_dead_process(engine: Engine, tmp_path: Path) -> None:
    migrations.upgrade(engine.url)
    execute(engine, f"UPDATE schema_locks SET owner = '{DEAD_OWNER}'")
    started = time.monotonic()

    workspace_for(engine, tmp_path).run("flaskauth", "db", "upgrade")

    assert lock.STALE_AFTER < time.monotonic() - started < lock.STALE_AFTER + 15
    assert running_migration(engine) is None


def test_migration_lock_heartbeat_continues_while_busy(engine: Engine) -> None:
    """The lock is renewed during a long statement."""
    first = lock.Lock(engine, str)
    with first.hold():
        before = _heartbeat(engine)
        time.sleep(3 * lock.BEAT_INTERVAL)
        assert _heartbeat(engine) > before


def test_migration_that_lost_its_lock_changes_nothing(engine: Engine) -> None:
    """A different process took over during a long statement; it continues where this one stopped."""

    def take_over(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if "CREATE TABLE email_links" in statement:
            execute(engine, f"UPDATE schema_locks SET owner = '{DEAD_OWNER}'")

    listen(Engine, "after_cursor_execute", take_over)
    try:
        with pytest.raises(migrations.MigrationError, match=f"{re.escape(DEAD_OWNER)} has taken over"):
            migrations.upgrade(engine.url)
    finally:
        remove(Engine, "after_cursor_execute", take_over)
    assert running_migration(engine) == DEAD_OWNER
    assert link_indexes(engine) == set()

    execute(engine, "UPDATE schema_locks SET owner = NULL")
    assert running_migration(engine) == "an unknown process"  # of an interrupted migration
    migrations.upgrade(engine.url)
    assert len(link_indexes(engine)) == 3


def link_indexes(engine: Engine) -> set[str | None]:
    names = {index["name"] for index in inspect(engine).get_indexes("email_links")}
    return {name for name in names if name and name.startswith("ix_")}


def _heartbeat(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT beat FROM schema_locks")).scalar_one())
