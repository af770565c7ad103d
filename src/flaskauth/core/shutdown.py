"""Draining: one process sets the flag, and all processes of the server see it."""

from mmap import mmap

from flask import Flask

KEY = "flaskauth.shutdown"


def init_app(app: Flask) -> None:
    """Create the flag, in memory that forked processes share."""
    app.extensions[KEY] = mmap(-1, 1)


def start_draining(app: Flask) -> None:
    """Report the server as not ready and stop keep-alive. Requests are still served."""
    app.extensions[KEY][0] = 1


def is_draining(app: Flask) -> bool:
    """Return True after `start_draining`, in any process."""
    return bool(app.extensions[KEY][0])
