"""A self-hosted authentication server on Flask and MySQL.

`create_app` makes the server. `auth_required` and `auth_optional` guard routes of your own beside it, and `mount` puts
it into an application of your own. `Base`, `db` and `User` are for tables of yours beside ours, `Problem` for refusals.
"""

from flaskauth.accounts.models import User
from flaskauth.app import create_app
from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import db
from flaskauth.foundation.errors import Problem
from flaskauth.mounting import mount
from flaskauth.sessions.guards import auth_optional, auth_required
from flaskauth.settings import Settings

__all__ = ["Base", "Problem", "Settings", "User", "auth_optional", "auth_required", "create_app", "db", "mount"]
