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
from tests.servers import GIVEN, MariaDB, MySQL, PrivateSqlServer, Redis, SqlServer, mysql_server

from flaskauth import create_app, migrations
from flaskauth.foundation import clock, jobs
from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import db, hang_up
from flaskauth.settings import Settings, with_driver

SECRET = "k9Tq3vYx7bNz1mWc5dRf8hJp2sLg6aQe"
CHOICE = "TEST_DATABASES"
SERVERS: dict[str, type[PrivateSqlServer]] = {"mariadb": MariaDB, "mysql": MySQL}
DRIVERS = {"mysql+pymysql": "pymysql", "mysql+mysqldb": "mysqlclient"}
KEPT_TABLES = {"countries", "regions", "alembic_version"}

MakeApp = Callable[..., Flask]

# How long an example takes is the machine's affair. `make fuzz` asks for more of them.
settings.register_profile("stories", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("stories"), max_examples=int(os.environ.get("EXAMPLES", "1500")))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "stories"))


def databases() -> list[str]:
    """Which databases the stories run on: TEST_DATABASES="mysql mariadb" names others."""
    return os.environ.get(CHOICE, "sqlite mariadb").split()


def servers() -> list[str]:
    """Those of them that are servers."""
    return [name for name in databases() if name != "sqlite"]


def private_servers() -> list[str]:
    """Those that are started here, so that they may be stopped and given options."""
    return [name for name in servers() if name != "mysql" or GIVEN not in os.environ]


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Tell the driver beside the database: mysql-mysqlclient."""
    return f"{val}-{DRIVERS[with_driver('mysql://').drivername]}" if val in list(SERVERS) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where databases were named, leave out what runs on none of them: `make test` has run it."""
    if CHOICE not in os.environ:
        return
    left_out = {item for item in items if not _is_on(databases(), item)}
    config.hook.pytest_deselected(items=[*left_out])
    items[:] = [item for item in items if item not in left_out]


def _is_on(names: list[str], item: pytest.Item) -> bool:
    return (
        isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and any(value in names for value in item.callspec.params.values())
    )


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    with MariaDB("--max-connections=500") as server:  # several applications at once, with pools of 32 and 12 more
        yield server


@pytest.fixture(scope="session")
def mysql() -> Iterator[SqlServer]:
    with mysql_server() as server:
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
def mariadb_url(mariadb: MariaDB) -> Iterator[str]:
    yield from _migrated(mariadb)


@pytest.fixture(scope="session")
def mysql_url(mysql: SqlServer) -> Iterator[str]:
    yield from _migrated(mysql)


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
            "DATABASE_POOL_SIZE": "32",  # a burst of 30 waits for none, on a slow machine either
            **given,
        }
        made.append(create_app(Settings.load(environ, tmp_path / "no.env")))
        return made[-1]

    yield make
    for app in made:
        app.extensions[jobs.KEY].stop()
        with app.app_context():
            db.session.close()
            hang_up()


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


def _migrated(server: SqlServer) -> Iterator[str]:
    name = f"stories_{secrets.token_hex(4)}"
    server.create(name)
    migrations.upgrade(with_driver(server.url(name)))
    yield server.url(name)
    server.drop(name)


def _empty(url: str) -> None:
    engine = create_engine(with_driver(url))
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in KEPT_TABLES:
                connection.execute(table.delete())
    engine.dispose()
