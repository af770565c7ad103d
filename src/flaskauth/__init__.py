"""A self-hosted authentication server on Flask and MySQL.

`create_app` creates the server. `auth_required` and `auth_optional` protect your own routes, `page_session_required`
your own pages; `current_user` is the user. `mount` embeds the server in your own Flask application. Use `Base`, `db`
and `User` for your own tables, and `APIError` for error responses.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from flaskauth.version import __version__

if TYPE_CHECKING:
    from flaskauth.accounts.models import User
    from flaskauth.app import create_app
    from flaskauth.core.db.session import db
    from flaskauth.core.db.types import Base
    from flaskauth.core.errors import APIError
    from flaskauth.mounting import mount
    from flaskauth.sessions.decorators import auth_optional, auth_required, current_user
    from flaskauth.settings import Settings
    from flaskauth.web.decorators import page_session_required

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
    "page_session_required",
]
_MODULES = {
    "APIError": "core.errors",
    "Base": "core.db.types",
    "Settings": "settings",
    "User": "accounts.models",
    "auth_optional": "sessions.decorators",
    "auth_required": "sessions.decorators",
    "create_app": "app",
    "current_user": "sessions.decorators",
    "db": "core.db.session",
    "mount": "mounting",
    "page_session_required": "web.decorators",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, and with it the models of all packages.

    A process that uses one module only, such as the one that hashes passwords, does not import the whole server.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module("flaskauth.app")
    value: object = getattr(import_module(f"flaskauth.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
