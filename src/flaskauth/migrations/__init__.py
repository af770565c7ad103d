"""Database migrations. They are part of the package, so an installed wheel can migrate.

A server only reads the current revision, so Alembic is imported by the functions that need it.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, NullPool, column, create_engine, inspect, select, table

from flaskauth.core.db.engine import is_sqlite
from flaskauth.core.db.types import Base
from flaskauth.migrations import lock

if TYPE_CHECKING:
    from alembic.config import Config

    from flaskauth.migrations.plan import Step

MIGRATIONS_DIR = Path(__file__).parent
VERSION_TABLE = "alembic_version"


class MigrationError(Exception):
    """An error of Alembic, with its message."""


def upgrade(database_url: URL, to: str = "head", on_revision: Callable[[], object] = bool) -> None:
    """Upgrade a database to a revision, by default the newest. An empty one gets the schema, countries and regions.

    `on_revision` is called after each revision that was applied.

    Raises:
        MigrationError: the revision does not exist.
    """
    from alembic import command  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    try:
        command.upgrade(_config(database_url, on_revision), to)
    except CommandError as error:
        raise MigrationError(str(error)) from None


def current_revision(database_url: URL) -> str | None:
    """Return the current revision of a database, or None if no revision was applied."""
    if is_sqlite(database_url) and not Path(database_url.database or "").exists():
        return None
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        return _read_revision(connection)


def count_pending(database_url: URL, to: str = "head") -> int:
    """Return the number of revisions between a database and the target revision."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415
    from alembic.script.revision import RevisionError  # noqa: PLC0415

    current = current_revision(database_url) or "base"
    try:
        return len(list(ScriptDirectory(str(MIGRATIONS_DIR)).iterate_revisions(to, current)))
    except RevisionError:
        return 0  # the upgrade reports the error


def plan_upgrade(database_url: URL, to: str = "head") -> "list[Step]":
    """Return what an upgrade would do, without changing anything.

    Raises:
        MigrationError: the revision does not exist.
    """
    from alembic.script.revision import RevisionError  # noqa: PLC0415

    from flaskauth.migrations.plan import plan_steps  # noqa: PLC0415

    try:
        return list(plan_steps(_config(database_url), database_url, current_revision(database_url), to))
    except RevisionError as error:
        raise MigrationError(str(error)) from None


def downgrade(database_url: URL, to: str) -> None:
    """Downgrade a database to a revision. "base" drops all tables."""
    from alembic import command  # noqa: PLC0415

    command.downgrade(_config(database_url), to)


def is_current(connection: Connection) -> bool:
    """Return True if the database is at the newest revision."""
    return _read_revision(connection) == head()


def is_newer(connection: Connection) -> bool:
    """Return True if a newer version has migrated the database. This version ignores the additions."""
    return (_read_revision(connection) or "") > head()


def lock_owner(connection: Connection) -> str | None:
    """Return the process that is migrating the database, or that died during a migration."""
    return lock.find_owner(connection, _read_revision(connection))


def include_object(_object: object, name: str | None, object_type: str, _reflected: object, _compared: object) -> bool:
    """Return False for the tables of this package. Pass it to Alembic as `include_object` in your own `env.py`.

    The tables are found by their models, so `flaskauth` must be imported.
    """
    return object_type != "table" or name not in _own_tables()


@cache
def head() -> str:
    """Return the newest revision. The name of each file begins with its number."""
    return max(file.name.partition("_")[0] for file in MIGRATIONS_DIR.glob("versions/[0-9]*.py"))


def _read_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    return revision


def _own_tables() -> set[str]:
    models = (mapper.class_ for mapper in Base.registry.mappers)
    return {VERSION_TABLE, *(model.__tablename__ for model in models if model.__module__.startswith("flaskauth."))}


def _config(database_url: URL, on_revision: Callable[[], object] = bool) -> "Config":
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_DIR))
    config.set_main_option("path_separator", "os")
    config.attributes.update(database_url=database_url, on_revision=on_revision)
    return config
