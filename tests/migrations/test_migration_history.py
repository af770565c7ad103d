"""The migrations upgrade and downgrade, and end with the schema of the models, on every database."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from flaskauth import migrations
from flaskauth.core.db.types import Base


def table_names(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def count_rows(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one())


def test_migration_upgrade_ends_at_the_models_schema(engine: Engine) -> None:
    migrations.upgrade(engine.url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []

    assert table_names(engine) == {*Base.metadata.tables, "alembic_version"}
    assert count_rows(engine, "countries") == 249
    assert count_rows(engine, "regions") > 20


def test_migration_downgrade_to_base_and_upgrade_again(engine: Engine) -> None:
    migrations.upgrade(engine.url)
    migrations.downgrade(engine.url, "base")
    assert table_names(engine) == {"alembic_version", "schema_locks"}

    migrations.upgrade(engine.url)
    assert count_rows(engine, "countries") == 249


def test_migration_each_revision_upgrades_and_downgrades(engine: Engine) -> None:
    steps = [script.revision for script in ScriptDirectory(str(migrations.MIGRATIONS_DIR)).walk_revisions()][::-1]
    for revision in steps:
        migrations.upgrade(engine.url, revision)
    with engine.connect() as connection:
        assert migrations.is_current(connection)
    for revision in [*steps[-2::-1], "base"]:
        migrations.downgrade(engine.url, revision)

    assert table_names(engine) == {"alembic_version", "schema_locks"}


def test_migration_upgrade_twice_is_idempotent(engine: Engine) -> None:
    migrations.upgrade(engine.url)
    migrations.upgrade(engine.url)

    assert count_rows(engine, "countries") == 249


def test_migration_tables_are_innodb_with_binary_collation(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        return
    migrations.upgrade(engine.url)
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT table_name, engine, table_collation FROM information_schema.tables"
                " WHERE table_schema = DATABASE() AND table_name <> 'alembic_version'"
            )
        )
        assert {(kind, collation) for _, kind, collation in rows} == {("InnoDB", "utf8mb4_bin")}


def test_migration_history_has_one_head_and_one_base() -> None:
    script = ScriptDirectory(str(migrations.MIGRATIONS_DIR))

    assert len(script.get_heads()) == len(script.get_bases()) == 1
    assert all(revision.module.downgrade for revision in script.walk_revisions())
