import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.openapi.helpers import operations

from flaskauth import __version__
from flaskauth.core.context import KEY
from flaskauth.settings import Settings

ASSETS = ["/docs/docs.css", "/docs/init.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"]


def test_index_lists_entry_points(app: Flask, client: FlaskClient) -> None:
    settings: Settings = app.extensions[KEY]

    assert client.get("/").get_json() == {
        "status": "Success",
        "success": True,
        "message": f"Welcome to {settings.app_name}",
        "docs": f"{settings.public_url}/docs",
        "openapi": f"{settings.public_url}/openapi.json",
        "jwks": f"{settings.public_url}/.well-known/jwks.json",
        "mailbox": f"{settings.public_url}/dev/mailbox" if settings.has_mailbox else None,
        "version": __version__,
    }


def test_hello_returns_tutorial_message(client: FlaskClient) -> None:
    response = client.get("/hello")

    assert (response.status_code, response.get_json()) == (200, {"message": "Hello It Works"})
    assert response.mimetype == "application/json"


def test_docs_page_loads_only_own_assets(client: FlaskClient) -> None:
    page = client.get("/docs")
    assets = re.findall(r'(?:src|href)="([^"]*)"', page.text)

    assert page.mimetype == "text/html"
    assert not re.search(r"https?:|//", page.text.replace("<!doctype html>", ""))
    assert {"/openapi.json", *ASSETS} <= set(assets)
    assert all(client.get(path).status_code == 200 for path in assets if not path.startswith("data:"))


def test_docs_page_csp_allows_only_own_scripts(client: FlaskClient) -> None:
    page = client.get("/docs")

    assert re.findall(r"<script[^>]*>(.*?)</script>", page.text) == ["", ""]
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ASSETS)
def test_docs_assets_are_cacheable_without_source_maps(client: FlaskClient, path: str) -> None:
    response = client.get(path)

    assert response.headers["Cache-Control"] == "public, max-age=600"
    assert response.mimetype in {"text/javascript", "text/css"}
    assert "sourceMappingURL" not in response.text
    assert not re.search(r"url\(['\"]?(https?:)?//", response.text)


@pytest.mark.parametrize("path", ["/docs/README.md", "/docs/../routes.py", "/docs/", "/static/init.js"])
def test_docs_serves_no_other_files(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_docs_page_has_a_readable_colour_for_each_method(client: FlaskClient) -> None:
    styles = client.get("/docs/docs.css").text
    methods = {method for _path, method in operations(client.get("/openapi.json").get_json())}

    assert "patch" in methods
    for method in methods:
        assert f".opblock-{method} .opblock-summary-method {{ background: " in styles
