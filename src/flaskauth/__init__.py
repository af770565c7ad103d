"""A self-hosted authentication server on Flask and MySQL.

`create_app` makes the server; `auth_required` and `auth_optional` guard routes of your own beside it.
"""

from flaskauth.app import create_app
from flaskauth.sessions.guards import auth_optional, auth_required
from flaskauth.settings import Settings

__all__ = ["Settings", "auth_optional", "auth_required", "create_app"]
