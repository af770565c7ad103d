"""One server and one person for all forgeries: none of them changes anything."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import SECRET
from tests.keys.forging import Target
from tests.people import People

from flaskauth import create_app
from flaskauth.foundation import jobs
from flaskauth.foundation.db import hang_up
from flaskauth.settings import Settings


@pytest.fixture(scope="module")
def target(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("forged")
    shutil.copy(sqlite_template, folder / "test.db")
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/test.db",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    app = create_app(Settings.load(environ, folder / "no.env"))
    people = People(app)
    yield Target(app, people.joined().signed_in(), people.joined("ada@example.com").signed_in())
    app.extensions[jobs.KEY].stop()
    with app.app_context():
        hang_up()
