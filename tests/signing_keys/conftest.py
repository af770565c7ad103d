"""One server with two users for all forgery tests, which change no state."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import SECRET
from tests.signing_keys.forgery import ForgeryTarget
from tests.support.users import UserFactory

from flaskauth import create_app
from flaskauth.core.db.session import dispose_engines
from flaskauth.core.jobs import background
from flaskauth.settings import Settings


@pytest.fixture(scope="module")
def target(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeryTarget]:
    directory = tmp_path_factory.mktemp("forged")
    shutil.copy(sqlite_template, directory / "test.db")
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "FLASKAUTH_INSTANCE_PATH": str(directory),
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{directory}/test.db",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    app = create_app(Settings.load(environ, directory / "no.env"))
    users = UserFactory(app)
    yield ForgeryTarget(app, users.create_verified().login_ok(), users.create_verified("ada@example.com").login_ok())
    app.extensions[background.KEY].stop()
    with app.app_context():
        dispose_engines()
