"""An application on each database, its client, its mailbox, and a clock that can be moved."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine
from tests.people import Mailbox, People
from tests.servers import MariaDB, Redis

from flaskauth import create_app, migrations
from flaskauth.foundation import clock, jobs
from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import db
from flaskauth.settings import Settings, with_driver

SECRET = "k9Tq3vYx7bNz1mWc5dRf8hJp2sLg6aQe"
KEPT_TABLES = {"countries", "regions", "alembic_version"}

MakeApp = Callable[..., Flask]

# How long an example takes is the machine's affair.
settings.register_profile("stories", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("stories")


def databases() -> list[str]:
    """Which databases the stories run on; TEST_MYSQL_URL adds a MySQL that is there already."""
    return ["sqlite", "mariadb", *(["mysql"] if os.environ.get("TEST_MYSQL_URL") else [])]


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "migrated.db"
    migrations.upgrade(with_driver(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def mariadb_url(mariadb: MariaDB) -> str:
    name = f"stories_{secrets.token_hex(4)}"
    mariadb.create(name)
    migrations.upgrade(with_driver(mariadb.url(name)))
    return mariadb.url(name)


@pytest.fixture(scope="session")
def mysql_url() -> str:
    url = os.environ["TEST_MYSQL_URL"]
    migrations.upgrade(with_driver(url))
    return url


@pytest.fixture(params=databases())
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database without people."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "test.db")
        yield f"sqlite:///{tmp_path}/test.db"
    else:
        url: str = request.getfixturevalue(f"{request.param}_url")
        yield url
        _empty(url)


@pytest.fixture
def make_app(database: str, tmp_path: Path) -> Iterator[MakeApp]:
    """Makes applications on the test's database; settings are given by name."""
    made: list[Flask] = []

    def make(**given: str) -> Flask:
        environ = {
            "SECRET_KEY": SECRET,
            "FLASKAUTH_ENV": "development",
            "FLASKAUTH_INSTANCE_PATH": str(tmp_path),
            "SQLALCHEMY_DATABASE_URI": database,
            "TRUSTED_PROXIES": "127.0.0.1",
            **given,
        }
        made.append(create_app(Settings.load(environ, tmp_path / "no.env")))
        return made[-1]

    yield make
    for app in made:
        app.extensions[jobs.KEY].stop()
        with app.app_context():
            db.session.close()
            db.engine.dispose()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def mailbox(app: Flask) -> Mailbox:
    return Mailbox(app)


@pytest.fixture
def people(app: Flask) -> People:
    return People(app)


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    """Whatever a test did to the clock, the next one starts at the real time."""
    yield
    clock.travel(-clock._offset)


def _empty(url: str) -> None:
    engine = create_engine(with_driver(url))
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in KEPT_TABLES:
                connection.execute(table.delete())
    engine.dispose()
