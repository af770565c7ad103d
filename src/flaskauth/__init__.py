"""A self-hosted authentication server on Flask and MySQL.

`create_app` creates the server. `auth_required` and `auth_optional` protect your own routes; `current_user` is the
user. `mount` embeds the server
in your own Flask application. Use `Base`, `db` and `User` for your own tables, and `APIError` for error responses.
"""

from flaskauth.accounts.models import User
from flaskauth.app import create_app
from flaskauth.core.db.session import db
from flaskauth.core.db.types import Base
from flaskauth.core.errors import APIError
from flaskauth.mounting import mount
from flaskauth.sessions.decorators import auth_optional, auth_required, current_user
from flaskauth.settings import Settings
from flaskauth.version import __version__

__all__ = [
    "APIError",
    "Base",
    "Settings",
    "User",
    "__version__",
    "auth_optional",
    "auth_required",
    "create_app",
    "current_user",
    "db",
    "mount",
]
