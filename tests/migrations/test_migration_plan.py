"""`flaskauth db plan` shows what an upgrade would do, revision by revision, and changes nothing."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.event import listen, remove
from tests.migrations.test_concurrent_migrations import workspace_for

from flaskauth import migrations
from flaskauth.migrations.plan import VERSION_TABLE, Step

SCHEMA_STATEMENTS = ("CREATE", "ALTER", "DROP")


def run_plan(engine: Engine, folder: Path) -> str:
    return workspace_for(engine, folder).run("flaskauth", "db", "plan")


def test_migration_plan_lists_statements_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    migrations.upgrade(engine.url, "0001")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE schema_locks"))
        before = connection.execute(text("SELECT * FROM alembic_version")).all(), inspect(connection).get_table_names()

    plan = run_plan(engine, tmp_path)

    description = "Insert the regions of UN M49 and the countries of ISO 3166."
    assert f"0002: {description}\n\n    INSERT INTO regions (" in plan
    assert f"is at revision 0001; {int(migrations.head()) - 1} revisions would be applied." in plan
    assert "alembic_version" not in plan
    assert "CREATE TABLE audit_events" not in plan
    with engine.connect() as connection:
        assert before == (
            connection.execute(text("SELECT * FROM alembic_version")).all(),
            inspect(connection).get_table_names(),
        )


def test_migration_plan_on_empty_database_creates_nothing(engine: Engine, tmp_path: Path) -> None:
    plan = run_plan(engine, tmp_path)

    assert "0001: Create all tables.\n\n    CREATE TABLE audit_events (" in plan
    assert plan.count("INSERT INTO countries") == 1
    assert "-- and 248 more like this" in plan
    assert inspect(engine).get_table_names() == []


def test_migration_plan_when_current_lists_no_revision(engine: Engine, tmp_path: Path) -> None:
    migrations.upgrade(engine.url)

    assert "no revisions would be applied" in run_plan(engine, tmp_path)


def test_migration_plan_equals_the_executed_statements(engine: Engine) -> None:
    executed: list[str] = []

    def on_execute(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if (
            statement.lstrip().startswith(SCHEMA_STATEMENTS)
            and "schema_locks" not in statement
            and VERSION_TABLE not in statement
        ):
            executed.append(" ".join(statement.split()))

    planned = [" ".join(line.split()) for step in migrations.plan_upgrade(engine.url) for line in step.statements]
    listen(Engine, "before_cursor_execute", on_execute)
    migrations.upgrade(engine.url)
    remove(Engine, "before_cursor_execute", on_execute)

    assert sorted(executed) == sorted(line for line in planned if line.startswith(SCHEMA_STATEMENTS))
    assert len(executed) > 30


def test_migration_revision_changes_either_schema_or_rows(engine: Engine) -> None:
    """A revision that only writes rows commits them together with its revision number."""
    kinds = [
        {line.startswith(SCHEMA_STATEMENTS) for line in step.statements} for step in migrations.plan_upgrade(engine.url)
    ]

    assert all(len(kind) == 1 for kind in kinds)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE users",
        "ALTER TABLE users DROP COLUMN avatar",
        "ALTER TABLE users MODIFY avatar VARCHAR(10) NULL",
        "ALTER TABLE users ADD COLUMN motto VARCHAR(10) NOT NULL",
        "ALTER TABLE users ADD CONSTRAINT uq_users_email UNIQUE (email)",
        "CREATE UNIQUE INDEX uq_users_email ON users (email)",
        "UPDATE users SET avatar = NULL",
        "DELETE FROM users",
    ],
)
def test_migration_step_destructive_change_is_not_additive(statement: str) -> None:
    assert not Step("0099", "", (statement,), {}).is_additive


def test_migration_step_column_with_default_is_additive() -> None:
    assert Step("0099", "", ("ALTER TABLE users ADD COLUMN a INTEGER NOT NULL DEFAULT 0",), {}).is_additive


def test_migration_step_names_tables_read_in_full() -> None:
    statements = ("CREATE INDEX ix_users_motto ON users (motto)", "ALTER TABLE outbox ADD COLUMN a INTEGER")

    assert Step("0099", "", statements, {"users": 1200, "outbox": 5}).slow_tables == ["users (about 1,200 rows)"]
