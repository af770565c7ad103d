import re
from importlib.metadata import version

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flaskauth.foundation.current import KEY
from flaskauth.settings import Settings

ASSETS = ["/docs/init.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"]


def test_the_first_page_says_where_to_look(app: Flask, client: FlaskClient) -> None:
    settings: Settings = app.extensions[KEY]

    assert client.get("/").get_json() == {
        "status": "Success",
        "success": True,
        "message": f"Welcome to {settings.app_name}",
        "docs": f"{settings.public_url}/docs",
        "openapi": f"{settings.public_url}/openapi.json",
        "jwks": f"{settings.public_url}/.well-known/jwks.json",
        "mailbox": f"{settings.public_url}/dev/mailbox" if settings.has_mailbox else None,
        "version": version("flaskauth"),
    }


def test_a_browser_gets_the_same(client: FlaskClient) -> None:
    assert client.get("/", headers={"Accept": "text/html,*/*;q=0.8"}).get_json() == client.get("/").get_json()


def test_hello(client: FlaskClient) -> None:
    answer = client.get("/hello")

    assert (answer.status_code, answer.get_json()) == (200, {"message": "Hello It Works"})
    assert answer.mimetype == "application/json"


def test_the_page_takes_everything_from_here(client: FlaskClient) -> None:
    page = client.get("/docs")
    taken = re.findall(r'(?:src|href)="([^"]*)"', page.text)

    assert page.mimetype == "text/html"
    assert not re.search(r"https?:|//", page.text.replace("<!doctype html>", ""))
    assert {"/openapi.json", *ASSETS} <= set(taken)
    assert all(client.get(path).status_code == 200 for path in taken if not path.startswith("data:"))


def test_the_page_runs_no_script_of_anybody_else(client: FlaskClient) -> None:
    page = client.get("/docs")

    assert re.findall(r"<script[^>]*>(.*?)</script>", page.text) == ["", ""]
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ASSETS)
def test_assets_may_be_kept_for_ten_minutes_and_name_no_source_map(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert answer.headers["Cache-Control"] == "public, max-age=600"
    assert answer.mimetype in {"text/javascript", "text/css"}
    assert "sourceMappingURL" not in answer.text
    assert not re.search(r"url\(['\"]?(https?:)?//", answer.text)


@pytest.mark.parametrize("path", ["/docs/README.md", "/docs/../routes.py", "/docs/", "/static/init.js"])
def test_nothing_else_is_served(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404
