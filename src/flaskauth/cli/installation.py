"""The settings of an existing installation, for commands that must not create one in the wrong folder."""

import os

import click
from flask import Flask
from flask.cli import ScriptInfo

from flaskauth.core import context
from flaskauth.settings import DEFAULT_ENV_FILES, Settings, SettingsError, find_env_file


class InstallationNotFound(click.ClickException):
    """The command found no database, or neither settings nor a database. It created nothing."""

    exit_code = 2


def flask_server() -> Flask | None:
    """Return the server of the application that `flask --app` names, which it is itself or mounts, in `flask auth`."""
    script_info = click.get_current_context().find_object(ScriptInfo)
    if script_info is None:
        return None
    app = script_info.load_app()
    with app.app_context():
        return app if context.is_server() else context.mounted_server()


def flask_settings() -> Settings | None:
    """Return the settings of the application in `flask auth`."""
    server = flask_server()
    settings: Settings | None = server.extensions[context.KEY] if server else None
    return settings


def read_settings() -> Settings:
    """Return the settings of an installation, without the stored secret; in `flask auth` those of its application.

    Raises:
        SettingsError: one or more settings are invalid.
        InstallationNotFound: nothing locates an installation.
    """
    if flask := flask_settings():
        return flask
    settings, errors = Settings.load_with_errors()
    if errors:
        raise SettingsError(errors)
    require_installation(settings)
    return settings


def load_settings() -> Settings:
    """Return the settings for a command that needs a database.

    Raises:
        SettingsError: one or more settings are invalid.
        InstallationNotFound: the database is an SQLite file that does not exist.
    """
    settings = read_settings()
    if settings.database_file and not settings.database_file.exists():
        raise InstallationNotFound(
            f"The database {settings.database_file} does not exist. To create it, run: flaskauth db upgrade"
        )
    return settings.with_stored_secret()


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
        " `flaskauth serve` creates a development database in the current folder."
    )
