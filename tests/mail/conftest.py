import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.mail.office import Held, Office
from tests.servers import MariaDB, SmtpSink

from flaskauth.foundation import clock, current, engine, jobs, limits, server
from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import db
from flaskauth.foundation.server import Server
from flaskauth.mail.routes import bp
from flaskauth.settings import Settings

MakeApp = Callable[..., Flask]


@pytest.fixture(autouse=True)
def _own_time() -> Iterator[None]:
    yield
    clock._offset = timedelta()


@pytest.fixture(scope="session")
def mail_mariadb() -> Iterator[MariaDB]:
    with MariaDB() as found:
        yield found


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database: SQLite, or what a test asks for."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path}/test.db"
        return
    found: MariaDB = request.getfixturevalue("mail_mariadb")
    name = f"mail_{secrets.token_hex(6)}"
    found.create(name)
    yield found.url(name)
    found.drop(name)


@pytest.fixture
def make_app(tmp_path: Path, database: str) -> Iterator[MakeApp]:
    made: list[Flask] = []

    def make(**given: str) -> Flask:
        environ = {
            "SECRET_KEY": "9PzVJc0yK3wTqLrE5mXuB7sHnDfA2oGi",
            "PUBLIC_URL": "https://auth.example.com",
            "FLASKAUTH_ENV": "production",
            "FLASKAUTH_INSTANCE_PATH": str(tmp_path),
            "SQLALCHEMY_DATABASE_URI": database,
            "MAIL_SERVER": "127.0.0.1",
            **given,
        }
        made.append(_app(Settings.load(environ, tmp_path / "no.env")))
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


def _app(settings: Settings) -> Flask:
    app = Server("flaskauth", spec_path=None, docs_path=None, json_errors=False)
    app.config["SQLALCHEMY_ENGINES"] = {"default": engine.options(settings)}
    app.extensions[current.KEY] = settings
    app.extensions[jobs.KEY] = Held(app)
    db.init_app(app)
    server.init_app(app, settings)
    limits.init_app(app, settings)
    app.register_blueprint(bp)
    with app.app_context():
        Base.metadata.create_all(db.engine)
    return app


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as found:
        yield found


@pytest.fixture
def office(make_app: MakeApp, sink: SmtpSink) -> Office:
    return Office(make_app(MAIL_PORT=str(sink.port)), sink)


@pytest.fixture
def home(make_app: MakeApp, sink: SmtpSink) -> Office:
    """A developer's server, without a mail server."""
    return Office(make_app(FLASKAUTH_ENV="development", MAIL_SERVER="", PUBLIC_URL="http://localhost:5000"), sink)


@pytest.fixture
def client(home: Office) -> FlaskClient:
    return home.app.test_client()
