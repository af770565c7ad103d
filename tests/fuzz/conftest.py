"""One server on SQLite for a whole module: what is sent there leaves nothing that the next could trip over."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from tests.conftest import SECRET
from tests.people import People, Person

from flaskauth import create_app
from flaskauth.foundation import jobs
from flaskauth.foundation.db import hang_up
from flaskauth.settings import Settings


@pytest.fixture(scope="module")
def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("fuzzed")
    shutil.copy(sqlite_template, folder / "test.db")
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/test.db",
        "TRUSTED_PROXIES": "127.0.0.1",
        "REQUEST_LIMITS": "100000",
    }
    app = create_app(Settings.load(environ, folder / "no.env"))
    yield app
    app.extensions[jobs.KEY].stop()
    with app.app_context():
        hang_up()


@pytest.fixture(scope="module")
def somebody(server: Flask) -> Person:
    """Somebody with an account there."""
    return People(server).joined()


@pytest.fixture(scope="module")
def token(somebody: Person) -> str:
    """What they are signed in by."""
    return str(somebody.signed_in()["token"])
