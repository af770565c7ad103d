"""The search for an existing installation. Only the server creates one; anything else would do so in a wrong folder."""

import os

import click

from flaskauth.settings.loading import DEFAULT_ENV_FILES, find_env_file
from flaskauth.settings.model import Settings


class InstallationNotFound(click.ClickException):
    """There is no database, or neither settings nor a database. Nothing was created."""

    exit_code = 2


def require_installation(settings: Settings) -> None:
    """Check that an env file, a setting or the default database locates an installation.

    Raises:
        InstallationNotFound: none of them exists.
    """
    database_file = settings.database_file
    is_located = settings.sqlalchemy_database_uri or "flaskauth_instance_path" in settings.model_fields_set
    if is_located or find_env_file(os.environ) or (database_file and database_file.exists()):
        return
    raise InstallationNotFound(
        f"No settings and no database found. Nothing was created. Searched: the environment,"
        f" {', '.join(str(path.absolute()) for path in DEFAULT_ENV_FILES)} and {database_file}.\n"
        "Run the command in the folder of the installation, or set FLASKAUTH_ENV_FILE to its file of settings."
        " `flaskauth serve` and `flask run` create a development database in the current folder."
    )


def require_database(settings: Settings) -> None:
    """Check that the installation has a database. Do not connect to a server.

    Raises:
        InstallationNotFound: nothing locates an installation, or its database is an SQLite file that does not exist.
    """
    require_installation(settings)
    if settings.database_file and not settings.database_file.exists():
        raise InstallationNotFound(
            f"The database {settings.database_file} does not exist. To create it, run: flaskauth db upgrade"
        )
