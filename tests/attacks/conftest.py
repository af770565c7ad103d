"""One application for the attacks of a file, on a MariaDB; each finds it empty, and its request limits untouched."""

import secrets
from collections.abc import Iterator
from contextlib import redirect_stderr

import pytest
from flask import Flask
from sqlalchemy import delete
from tests.attacks.judging import Judge
from tests.conftest import SECRET
from tests.journal import Journal
from tests.servers import MariaDB
from tests.tables import NOT_OURS, settle

from flaskauth import create_app, migrations
from flaskauth.foundation import current, jobs, limits, log
from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import db, hang_up
from flaskauth.settings import Settings, with_driver


@pytest.fixture(scope="session")
def database_url(mariadb: MariaDB) -> Iterator[str]:
    name = f"attacks_{secrets.token_hex(4)}"
    mariadb.create(name)
    migrations.upgrade(with_driver(mariadb.url(name)))
    yield mariadb.url(name)
    mariadb.drop(name)


@pytest.fixture(scope="module")
def attacked(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("attacked")
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": database_url,
        "TRUSTED_PROXIES": "127.0.0.1",
        "DATABASE_POOL_SIZE": "32",
    }
    app = create_app(Settings.load(environ, folder / "no.env"))
    yield app
    app.extensions[jobs.KEY].stop()
    with app.app_context():
        hang_up()


@pytest.fixture
def journal() -> Iterator[Journal]:
    with redirect_stderr(Journal()) as found:
        log.configure()
        yield found
    log.configure()


@pytest.fixture
def app(attacked: Flask, journal: Journal) -> Iterator[Flask]:
    limits.init_app(attacked, attacked.extensions[current.KEY])
    yield attacked
    settle(attacked)
    with attacked.app_context():
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in NOT_OURS:
                db.session.execute(delete(table))
        db.session.commit()


@pytest.fixture
def judge(app: Flask, journal: Journal) -> Judge:
    return Judge(app, journal)
