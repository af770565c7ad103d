"""The schema's history goes up and down, and ends at what the models say, on every database."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from flaskauth import migrations
from flaskauth.foundation.columns import Base


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one())


def test_up_it_ends_at_what_the_models_say(engine: Engine) -> None:
    migrations.upgrade(engine.url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []

    assert tables(engine) == {*Base.metadata.tables, "alembic_version"}
    assert count(engine, "countries") == 249
    assert count(engine, "regions") > 20


def test_down_nothing_is_left_and_up_again_all_is_there(engine: Engine) -> None:
    migrations.upgrade(engine.url)
    migrations.downgrade(engine.url, "base")
    assert tables(engine) == {"alembic_version", "schema_locks"}

    migrations.upgrade(engine.url)
    assert count(engine, "countries") == 249


def test_each_step_can_be_taken_alone(engine: Engine) -> None:
    steps = [script.revision for script in ScriptDirectory(str(migrations.FOLDER)).walk_revisions()][::-1]
    for revision in steps:
        migrations.upgrade(engine.url, revision)
    with engine.connect() as connection:
        assert migrations.is_current(connection)
    for revision in [*steps[-2::-1], "base"]:
        migrations.downgrade(engine.url, revision)

    assert tables(engine) == {"alembic_version", "schema_locks"}


def test_a_second_time_changes_nothing(engine: Engine) -> None:
    migrations.upgrade(engine.url)
    migrations.upgrade(engine.url)

    assert count(engine, "countries") == 249


def test_every_table_is_innodb_and_compares_bytes(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        return
    migrations.upgrade(engine.url)
    with engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT table_name, engine, table_collation FROM information_schema.tables"
                " WHERE table_schema = DATABASE() AND table_name <> 'alembic_version'"
            )
        )
        assert {(kind, collation) for _, kind, collation in found} == {("InnoDB", "utf8mb4_bin")}


def test_there_is_one_line_of_history() -> None:
    script = ScriptDirectory(str(migrations.FOLDER))

    assert len(script.get_heads()) == len(script.get_bases()) == 1
    assert all(revision.module.downgrade for revision in script.walk_revisions())
