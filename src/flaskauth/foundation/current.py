"""What belongs to the application that is running, or to the one that is mounted in it."""

from flask import Flask, current_app

from flaskauth.settings import Settings

KEY = "flaskauth.settings"
MOUNTED = "flaskauth.mounted"
NO_SERVER = (
    "This application has no authentication server to ask. Make the application with flaskauth.create_app(),"
    ' or mount one in it: flaskauth.mount(app, create_app(), "/accounts").'
)


def settings() -> Settings:
    """The settings of the running application."""
    found = current_app.extensions[KEY]
    assert isinstance(found, Settings)
    return found


def is_server() -> bool:
    """Whether the running application is an authentication server itself."""
    return KEY in current_app.extensions


def mounted() -> Flask:
    """The authentication server that is mounted in the running application.

    Raises:
        RuntimeError: there is none; it says what to do.
    """
    found = current_app.extensions.get(MOUNTED)
    if found is None:
        raise RuntimeError(NO_SERVER)
    assert isinstance(found, Flask)
    return found
