"""The product as it is, and a server with a room that has a route of each kind."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from tests.reference import sample

from flaskauth import Settings, create_app, reference
from flaskauth.app import bare
from flaskauth.foundation.server import Server


@pytest.fixture
def sample_document(tmp_path: Path) -> dict[str, Any]:
    settings = embedded(tmp_path)
    app = bare(settings)
    app.register_blueprint(sample.bp)
    reference.init_app(app, settings)
    found: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
    return found


@pytest.fixture
def app(tmp_path: Path) -> Server:
    return create_app(embedded(tmp_path))


@pytest.fixture
def client(app: Server) -> FlaskClient:
    return app.test_client()


def embedded(folder: Path) -> Settings:
    return Settings.load({"FLASKAUTH_INSTANCE_PATH": str(folder)}, dotenv=folder / "none")
