"""What belongs to the application that is running."""

from flask import current_app

from flaskauth.settings import Settings

KEY = "flaskauth.settings"


def settings() -> Settings:
    """The settings of the running application."""
    found = current_app.extensions[KEY]
    assert isinstance(found, Settings)
    return found
