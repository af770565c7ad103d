"""Applications with only the health routes, for any settings."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from flaskauth import Settings, health, migrations
from flaskauth.app import create_base_app
from flaskauth.core.db.session import dispose_engines
from flaskauth.core.http.app import AuthFlask

CreateClient = Callable[..., FlaskClient]


@pytest.fixture
def create_client(tmp_path: Path) -> Iterator[CreateClient]:
    apps: list[AuthFlask] = []

    def start(*, tables: bool = True, **environment: str) -> FlaskClient:
        values = {"FLASKAUTH_INSTANCE_PATH": str(tmp_path), "FLASKAUTH_ENV": "development", **environment}
        apps.append(create_health_app(Settings.load(values, dotenv=tmp_path / "none"), tables=tables))
        return apps[-1].test_client()

    yield start
    for app in apps:
        with app.app_context():
            dispose_engines()


def create_health_app(settings: Settings, *, tables: bool) -> AuthFlask:
    app = create_base_app(settings)
    app.register_blueprint(health.bp)
    if tables:
        migrations.upgrade(settings.database_url)
    return app
