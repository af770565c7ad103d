"""flaskauth db plan: what an upgrade would do, revision by revision; it changes nothing."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.event import listen, remove
from tests.migrations.test_migrating_at_once import place_of

from flaskauth import migrations
from flaskauth.migrations.planning import VERSIONS, Step

SCHEMA = ("CREATE", "ALTER", "DROP")


def said(engine: Engine, folder: Path, *more: str) -> str:
    return place_of(engine, folder).run("flaskauth", "db", "plan", *more)


def test_it_tells_each_revision_with_its_statements_and_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    migrations.upgrade(engine.url, "0003")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE schema_locks"))
        before = connection.execute(text("SELECT * FROM alembic_version")).all(), inspect(connection).get_table_names()

    told = said(engine, tmp_path)

    assert "0004: Addresses that people are about to change to.\n\n    CREATE TABLE address_changes (" in told
    assert "0005: Since when a person may not sign in.\n\n    ALTER TABLE users ADD COLUMN disabled_at" in told
    assert told.count("Servers go on serving meanwhile") == 12
    assert "Takes as long as reading all of users (about 0 rows)." in told
    assert f"is at revision 0003; {int(migrations.head()) - 3} revisions would be applied." in told
    assert "alembic_version" not in told
    with engine.connect() as connection:
        assert before == (
            connection.execute(text("SELECT * FROM alembic_version")).all(),
            inspect(connection).get_table_names(),
        )


def test_on_an_empty_database_it_makes_none_of_the_tables(engine: Engine, tmp_path: Path) -> None:
    told = said(engine, tmp_path)

    assert "0001: The schema" in told
    assert told.count("INSERT INTO countries") == 1
    assert "-- and 248 more like this" in told
    assert inspect(engine).get_table_names() == []


def test_where_all_is_done_it_says_so(engine: Engine, tmp_path: Path) -> None:
    migrations.upgrade(engine.url)

    assert "no revisions would be applied" in said(engine, tmp_path)


def test_what_is_planned_is_what_is_sent(engine: Engine) -> None:
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.lstrip().startswith(SCHEMA) and "schema_locks" not in statement and VERSIONS not in statement:
            sent.append(" ".join(statement.split()))

    planned = [" ".join(line.split()) for step in migrations.plan(engine.url) for line in step.statements]
    listen(Engine, "before_cursor_execute", note)
    migrations.upgrade(engine.url)
    remove(Engine, "before_cursor_execute", note)

    assert sorted(sent) == sorted(line for line in planned if line.startswith(SCHEMA))
    assert len(sent) > 30


def test_no_revision_changes_tables_and_rows(engine: Engine) -> None:
    """Rows that are alone in their revision come with its number or not at all, wherever it is killed."""
    kinds = [{line.startswith(SCHEMA) for line in step.statements} for step in migrations.plan(engine.url)]

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
def test_servers_cannot_go_on_while_something_is_changed_or_taken_away(statement: str) -> None:
    assert not Step("0099", "", (statement,), {}).only_adds


def test_a_column_with_a_default_only_adds() -> None:
    assert Step("0099", "", ("ALTER TABLE users ADD COLUMN a INTEGER NOT NULL DEFAULT 0",), {}).only_adds


def test_which_tables_are_read_as_a_whole() -> None:
    statements = ("CREATE INDEX ix_users_motto ON users (motto)", "ALTER TABLE outbox ADD COLUMN a INTEGER")

    assert Step("0099", "", statements, {"users": 1200, "outbox": 5}).takes_long == ["users (about 1,200 rows)"]
