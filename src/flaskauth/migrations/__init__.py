"""The schema's history, inside the package: a wheel can migrate as well as a clone."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from sqlalchemy import URL, Connection, NullPool, create_engine

from flaskauth.foundation.columns import Base
from flaskauth.foundation.engine import is_sqlite

FOLDER = Path(__file__).parent
VERSIONS = "alembic_version"


def upgrade(database_url: URL, to: str = "head", told: Callable[[], object] = bool) -> None:
    """Bring a database to a revision, the newest unless said; an empty one gets the schema, countries and regions.

    `told` is called after each revision that was applied.
    """
    command.upgrade(_config(database_url, told), to)


def revision(database_url: URL) -> str | None:
    """Where a database stands; None where nothing was ever applied."""
    if is_sqlite(database_url) and not Path(database_url.database or "").exists():
        return None
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def pending(database_url: URL, to: str = "head") -> int:
    """How many revisions it takes to bring a database there."""
    stands = revision(database_url) or "base"
    try:
        return len(list(ScriptDirectory(str(FOLDER)).iterate_revisions(to, stands)))
    except RevisionError:
        return 0  # what is wrong with it, the upgrade says in words


def downgrade(database_url: URL, to: str) -> None:
    """Take a database back to a revision; "base" empties it."""
    command.downgrade(_config(database_url), to)


def is_current(connection: Connection) -> bool:
    """Whether the database stands at the newest revision."""
    return MigrationContext.configure(connection).get_current_revision() == head()


def is_yours(_thing: object, name: str | None, kind: str, _reflected: object, _compared: object) -> bool:
    """For `include_object` of an Alembic of your own: your tables, and none of ours.

    Where `flaskauth` is imported, every table of ours is known by its model.
    """
    return kind != "table" or name not in _ours()


@cache
def head() -> str | None:
    """The newest revision."""
    return ScriptDirectory(str(FOLDER)).get_current_head()


def _ours() -> set[str]:
    models = (mapper.class_ for mapper in Base.registry.mappers)
    return {VERSIONS, *(model.__tablename__ for model in models if model.__module__.startswith("flaskauth."))}


def _config(database_url: URL, told: Callable[[], object] = bool) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes.update(database_url=database_url, told=told)
    return config
