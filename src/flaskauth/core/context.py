"""The settings of the current application, and the authentication server that is mounted in it."""

from flask import Flask, current_app

from flaskauth.settings import Settings

KEY = "flaskauth.settings"
MOUNTED = "flaskauth.mounted"
NOT_MOUNTED_MESSAGE = (
    "This application has no authentication server. Create the application with flaskauth.create_app(),"
    ' or mount a server in it: flaskauth.mount(app, create_app(), "/accounts").'
)


def settings() -> Settings:
    """Return the settings of the current application."""
    value = current_app.extensions[KEY]
    assert isinstance(value, Settings)
    return value


def is_server() -> bool:
    """Return True if the current application is an authentication server itself."""
    return KEY in current_app.extensions


def mounted_server() -> Flask:
    """Return the authentication server that is mounted in the current application.

    Raises:
        RuntimeError: no server is mounted.
    """
    server = current_app.extensions.get(MOUNTED)
    if server is None:
        raise RuntimeError(NOT_MOUNTED_MESSAGE)
    assert isinstance(server, Flask)
    return server
