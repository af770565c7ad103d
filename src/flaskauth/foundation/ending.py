"""Whether this server is about to end: said once, and known to all of its processes."""

from mmap import mmap

from flask import Flask

KEY = "flaskauth.ending"


def init_app(app: Flask) -> None:
    app.extensions[KEY] = mmap(-1, 1)  # memory that stays common to the processes that are forked from this one


def begin(app: Flask) -> None:
    """From now on it is not ready, and keeps no connection open; it answers whoever comes nevertheless."""
    app.extensions[KEY][0] = 1


def has_begun(app: Flask) -> bool:
    return bool(app.extensions[KEY][0])
