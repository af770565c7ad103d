"""The schema's history, inside the package: a wheel can migrate as well as a clone."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection

FOLDER = Path(__file__).parent


def upgrade(database_url: URL, to: str = "head") -> None:
    """Bring a database to a revision, the newest unless said; an empty one gets the schema, countries and regions."""
    command.upgrade(_config(database_url), to)


def downgrade(database_url: URL, to: str) -> None:
    """Take a database back to a revision; "base" empties it."""
    command.downgrade(_config(database_url), to)


def is_current(connection: Connection) -> bool:
    """Whether the database stands at the newest revision."""
    return MigrationContext.configure(connection).get_current_revision() == head()


@cache
def head() -> str | None:
    """The newest revision."""
    return ScriptDirectory(str(FOLDER)).get_current_head()


def _config(database_url: URL) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = database_url
    return config
