"""One application on MariaDB per module. Each test starts with empty tables and fresh request limits."""

import gc
import secrets
from collections.abc import Iterator
from contextlib import redirect_stderr

import pytest
from flask import Flask
from sqlalchemy import delete
from tests.conftest import SECRET
from tests.security.checks import AttackChecker
from tests.servers import MariaDB
from tests.support.db_snapshot import EXCLUDED_TABLES, wait_for_outbox
from tests.support.log_capture import LogCapture

from flaskauth import create_app, migrations
from flaskauth.core import context
from flaskauth.core.db.session import db, dispose_engines
from flaskauth.core.db.types import Base
from flaskauth.core.http import request_limits
from flaskauth.core.jobs import background
from flaskauth.core.observability import log
from flaskauth.settings import Settings, with_driver


@pytest.fixture(scope="session")
def database_url(mariadb: MariaDB) -> Iterator[str]:
    name = f"security_{secrets.token_hex(4)}"
    mariadb.create(name)
    migrations.upgrade(with_driver(mariadb.url(name)))
    yield mariadb.url(name)
    mariadb.drop(name)


@pytest.fixture(scope="module")
def shared_app(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("security")
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": database_url,
        "EMAIL_SIGN_IN": "true",
        "TRUSTED_PROXIES": "127.0.0.1",
        "DATABASE_POOL_SIZE": "32",
        "RATE_LIMIT_REGISTER": "10/minute",
    }
    app = create_app(Settings.load(environ, folder / "no.env"))
    gc.collect()
    gc.freeze()  # each check collects garbage, which would walk through the objects of all earlier tests
    yield app
    app.extensions[background.KEY].stop()
    with app.app_context():
        dispose_engines()


@pytest.fixture
def log_capture() -> Iterator[LogCapture]:
    with redirect_stderr(LogCapture()) as capture:
        log.configure()
        yield capture
    log.configure()


@pytest.fixture
def app(shared_app: Flask, log_capture: LogCapture) -> Iterator[Flask]:
    request_limits.init_app(shared_app, shared_app.extensions[context.KEY])
    yield shared_app
    wait_for_outbox(shared_app)
    with shared_app.app_context():
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in EXCLUDED_TABLES:
                db.session.execute(delete(table))
        db.session.commit()


@pytest.fixture
def checker(app: Flask, log_capture: LogCapture) -> AttackChecker:
    return AttackChecker(app, log_capture)
