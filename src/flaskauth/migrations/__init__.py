"""The schema's history, inside the package: a wheel can migrate as well as a clone.

A server asks only where its database stands, so Alembic is imported by what walks from there.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, NullPool, column, create_engine, inspect, select, table

from flaskauth.foundation.columns import Base
from flaskauth.foundation.engine import is_sqlite
from flaskauth.migrations import lock

if TYPE_CHECKING:
    from alembic.config import Config

    from flaskauth.migrations.planning import Step

FOLDER = Path(__file__).parent
VERSIONS = "alembic_version"


class CannotMigrate(Exception):
    """Alembic's own words."""


def upgrade(database_url: URL, to: str = "head", told: Callable[[], object] = bool) -> None:
    """Bring a database to a revision, the newest unless said; an empty one gets the schema, countries and regions.

    `told` is called after each revision that was applied.

    Raises:
        CannotMigrate: there is no such revision.
    """
    from alembic import command  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    try:
        command.upgrade(_config(database_url, told), to)
    except CommandError as error:
        raise CannotMigrate(str(error)) from None


def revision(database_url: URL) -> str | None:
    """Where a database stands; None where nothing was ever applied."""
    if is_sqlite(database_url) and not Path(database_url.database or "").exists():
        return None
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        return _stands(connection)


def pending(database_url: URL, to: str = "head") -> int:
    """How many revisions it takes to bring a database there."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415
    from alembic.script.revision import RevisionError  # noqa: PLC0415

    stands = revision(database_url) or "base"
    try:
        return len(list(ScriptDirectory(str(FOLDER)).iterate_revisions(to, stands)))
    except RevisionError:
        return 0  # what is wrong with it, the upgrade says in words


def plan(database_url: URL, to: str = "head") -> "list[Step]":
    """What an upgrade would do; changes nothing.

    Raises:
        CannotMigrate: there is no such revision.
    """
    from alembic.script.revision import RevisionError  # noqa: PLC0415

    from flaskauth.migrations.planning import steps  # noqa: PLC0415

    try:
        return list(steps(_config(database_url), database_url, revision(database_url), to))
    except RevisionError as error:
        raise CannotMigrate(str(error)) from None


def downgrade(database_url: URL, to: str) -> None:
    """Take a database back to a revision; "base" empties it."""
    from alembic import command  # noqa: PLC0415

    command.downgrade(_config(database_url), to)


def is_current(connection: Connection) -> bool:
    """Whether the database stands at the newest revision."""
    return _stands(connection) == head()


def is_newer(connection: Connection) -> bool:
    """Whether a later version has migrated it; what that added does not concern this one."""
    return (_stands(connection) or "") > head()


def under_way(connection: Connection) -> str | None:
    """Who is changing the schema now, or died while it did."""
    return lock.under_way(connection, _stands(connection))


def is_yours(_thing: object, name: str | None, kind: str, _reflected: object, _compared: object) -> bool:
    """For `include_object` of an Alembic of your own: your tables, and none of ours.

    Where `flaskauth` is imported, every table of ours is known by its model.
    """
    return kind != "table" or name not in _ours()


@cache
def head() -> str:
    """The newest revision: each is a file whose name begins with its number."""
    return max(file.name.partition("_")[0] for file in FOLDER.glob("versions/[0-9]*.py"))


def _stands(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSIONS):
        return None
    found: str | None = connection.scalar(select(column("version_num")).select_from(table(VERSIONS)))
    return found


def _ours() -> set[str]:
    models = (mapper.class_ for mapper in Base.registry.mappers)
    return {VERSIONS, *(model.__tablename__ for model in models if model.__module__.startswith("flaskauth."))}


def _config(database_url: URL, told: Callable[[], object] = bool) -> "Config":
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes.update(database_url=database_url, told=told)
    return config
