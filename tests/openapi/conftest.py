"""The OpenAPI document of flaskauth, and of an application with a sample blueprint."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from tests.openapi import sample_blueprint

from flaskauth import Settings, create_app, openapi
from flaskauth.app import create_base_app
from flaskauth.core.http.app import AuthFlask


@pytest.fixture(scope="package")
def sample_document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    settings = embedded_settings(tmp_path_factory.mktemp("sample"))
    app = create_base_app(settings)
    app.register_blueprint(sample_blueprint.bp)
    openapi.init_app(app, settings)
    document: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
    return document


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> AuthFlask:
    return create_app(embedded_settings(tmp_path_factory.mktemp("app")))


@pytest.fixture
def client(app: AuthFlask) -> FlaskClient:
    return app.test_client()


def embedded_settings(folder: Path) -> Settings:
    return Settings.load({"FLASKAUTH_INSTANCE_PATH": str(folder)}, dotenv=folder / "none")
