"""A server of any settings with the health calls alone."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from flaskauth import Settings, health, migrations
from flaskauth.app import bare
from flaskauth.foundation.db import hang_up
from flaskauth.foundation.server import Server

Serve = Callable[..., FlaskClient]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    made: list[Server] = []

    def start(*, tables: bool = True, **environment: str) -> FlaskClient:
        values = {"FLASKAUTH_INSTANCE_PATH": str(tmp_path), "FLASKAUTH_ENV": "development", **environment}
        made.append(application(Settings.load(values, dotenv=tmp_path / "none"), tables=tables))
        return made[-1].test_client()

    yield start
    for app in made:
        with app.app_context():
            hang_up()


def application(settings: Settings, *, tables: bool) -> Server:
    app = bare(settings)
    app.register_blueprint(health.bp)
    if tables:
        migrations.upgrade(settings.database_url)
    return app
