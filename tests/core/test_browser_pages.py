"""The index and errors are HTML pages in a browser, and JSON for every other client."""

import base64
import hashlib
import html
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.support.inspect import error_of
from tests.support.users import bearer
from werkzeug.test import TestResponse

from flaskauth import mount

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
# curl, fetch, axios, Angular, OkHttp without Accept, a client that prefers JSON, one that takes images only
API_ACCEPTS = (
    "*/*",
    "application/json, text/plain, */*",
    "application/json",
    "",
    "text/html;q=0.5,application/json",
    "image/*",
)


def get_page(client: FlaskClient, path: str, **more: str) -> TestResponse:
    return client.get(path, headers={"Accept": BROWSER, **more})


def assert_strict_page(response: TestResponse) -> None:
    """Assert that the page runs no script, loads nothing, and that its policy allows its style only."""
    assert response.mimetype == "text/html"
    assert response.headers["Vary"] == "Accept, Accept-Language"
    assert "<script" not in response.text
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", response.text)
    [style] = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "unsafe" not in policy


def test_browser_index_is_a_page_with_links(client: FlaskClient) -> None:
    response = get_page(client, "/")

    assert response.status_code == 200
    assert_strict_page(response)
    assert {"/docs", "/openapi.json", "/dev/mailbox"} <= set(re.findall(r'href="([^"]*)"', response.text))
    assert "Welcome to flaskauth" in response.text
    assert "Start page" not in response.text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nothing", 404), ("/auth/login", 405), ("/users/profile", 401), ("/users/activity", 401)],
)
def test_browser_error_is_a_page_with_the_same_status(client: FlaskClient, path: str, status: int) -> None:
    page, api = get_page(client, path), client.get(path)

    assert page.status_code == api.status_code == status
    assert_strict_page(page)
    assert api.get_json()["message"] in page.text
    for name in ("Allow", "WWW-Authenticate", "Cache-Control", "X-Content-Type-Options", "Referrer-Policy"):
        assert page.headers.get(name) == api.headers.get(name), name
    assert client.head(path, headers={"Accept": BROWSER}).mimetype == "text/html"


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("fr", "ltr"), ("ar", "rtl")])
@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_browser_page_is_in_the_language_of_the_user(
    client: FlaskClient, path: str, language: str, direction: str
) -> None:
    headers = {"Accept-Language": f"{language}-XX,{language};q=0.9"}
    message = client.get(path, headers=headers).get_json()["message"]
    page = get_page(client, path, **headers)

    assert f'<html lang="{language}" dir="{direction}">' in page.text
    assert page.headers["Content-Language"] == language
    assert message in html.unescape(page.text)
    english = [text for text in ("This server registers", "API reference", "Not found") if text in page.text]
    assert bool(english) == (language == "en")


@pytest.mark.parametrize("accept", API_ACCEPTS)
def test_api_client_gets_json_for_index_and_errors(client: FlaskClient, accept: str) -> None:
    for path, status in (("/", 200), ("/nothing", 404), ("/auth/login", 405), ("/users/profile", 401)):
        response = client.get(path, headers={"Accept": accept})
        assert (response.status_code, response.mimetype) == (status, "application/json"), path


def test_request_with_token_or_body_gets_json_errors(client: FlaskClient) -> None:
    """Java's HttpURLConnection prefers text/html in each request."""
    assert error_of(get_page(client, "/users/profile", **bearer("x"))) == (401, "invalid_token")
    assert error_of(client.post("/auth/login", json={}, headers={"Accept": BROWSER})) == (422, "validation_failed")


def test_browser_page_in_production_has_no_mailbox_link(make_app: MakeApp) -> None:
    app = make_app(FLASKAUTH_ENV="production", MAIL_SERVER="mail.example.com", PUBLIC_URL="https://auth.example.com/id")
    response = get_page(app.test_client(), "/nothing")

    assert re.findall(r'href="([^"]*)"', response.text) == [
        *("data:,", "/id/", "/id/sign-in", "/id/", "/id/docs", "/id/openapi.json")
    ]


def test_browser_page_escapes_the_application_name(make_app: MakeApp) -> None:
    page = get_page(make_app(APP_NAME='A & "B"').test_client(), "/nothing")

    assert "A &amp; &#34;B&#34;" in page.text


def test_mounted_browser_pages_leave_host_errors_alone(make_app: MakeApp) -> None:
    host = Flask("host")
    mount(host, make_app(PUBLIC_URL="http://localhost/accounts"), "/accounts")
    host.register_error_handler(404, lambda error: ("host page", 404))
    client = host.test_client()

    assert get_page(client, "/nothing").text == "host page"
    assert 'href="/accounts/docs"' in get_page(client, "/accounts/nothing").text
    assert_strict_page(get_page(client, "/accounts/"))
