"""The settings of an existing installation, for commands that must not create one in the wrong folder."""

import click
from flask import Flask
from flask.cli import ScriptInfo

from flaskauth.core import context
from flaskauth.settings import Settings, require_database, require_installation


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
    settings = Settings.read()
    require_installation(settings)
    return settings


def load_settings() -> Settings:
    """Return the settings for a command that needs a database.

    Raises:
        SettingsError: one or more settings are invalid.
        InstallationNotFound: nothing locates an installation, or its SQLite file does not exist.
    """
    settings = flask_settings() or Settings.read()
    require_database(settings)
    return settings.with_stored_secret()
