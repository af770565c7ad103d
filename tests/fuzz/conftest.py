"""One server on SQLite per module. Requests leave no state that affects later ones."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from tests.conftest import SECRET
from tests.support.users import TestUser, UserFactory

from flaskauth import create_app
from flaskauth.core.db.session import dispose_engines
from flaskauth.core.jobs import background
from flaskauth.settings import Settings


@pytest.fixture(scope="module")
def fuzzed_app(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("fuzzed")
    shutil.copy(sqlite_template, folder / "test.db")
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "EMAIL_SIGN_IN": "true",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/test.db",
        "TRUSTED_PROXIES": "127.0.0.1",
        "RATE_LIMIT_FACTOR": "100000",
    }
    app = create_app(Settings.load(environ, folder / "no.env"))
    yield app
    app.extensions[background.KEY].stop()
    with app.app_context():
        dispose_engines()


@pytest.fixture(scope="module")
def user(fuzzed_app: Flask) -> TestUser:
    """A user with an account."""
    return UserFactory(fuzzed_app).create_verified()


@pytest.fixture(scope="module")
def token(user: TestUser) -> str:
    """An access token of the user."""
    return str(user.login_ok()["token"])
