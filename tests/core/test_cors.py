"""CORS: only the origins in CORS_ORIGINS can read responses, and never with cookies."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.support.route_catalog import all_routes

from flaskauth.settings import SettingsError

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

APP_ORIGIN, SECOND_ORIGIN = "https://app.example.com", "https://desk.example.com:8443"
ALLOW_ORIGIN = "Access-Control-Allow-Origin"
UNLISTED_ORIGINS = (
    "https://evil.example",
    "null",
    "http://app.example.com",
    "https://app.example.com:444",
    "https://app.example.com.evil.example",
    "https://evil.example/?https://app.example.com",
    "https://xapp.example.com",
    "https://sub.app.example.com",
    f"{APP_ORIGIN}, {SECOND_ORIGIN}",
    "*",
)


def preflight(
    client: FlaskClient, path: str, origin: str, method: str, headers: str = "authorization"
) -> dict[str, str]:
    requested = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return cors_headers(client.options(path, headers={"Origin": origin, **requested}).headers)


def cors_headers(headers: object) -> dict[str, str]:
    """Return the Access-Control-* headers."""
    return {name: value for name, value in headers if name.startswith("Access-Control-")}  # type: ignore[attr-defined]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(CORS_ORIGINS=f"{APP_ORIGIN}, {SECOND_ORIGIN}/")


def test_cors_preflight_from_allowed_origin_succeeds(app: Flask, client: FlaskClient) -> None:
    for route in all_routes(app):
        for origin in (APP_ORIGIN, SECOND_ORIGIN):
            allowed = preflight(client, route.path, origin, route.method)
            assert allowed[ALLOW_ORIGIN] == origin
            assert route.method in allowed["Access-Control-Allow-Methods"].split(", ")
            assert "Access-Control-Allow-Credentials" not in allowed


def test_cors_unlisted_origin_gets_no_cors_headers(app: Flask, client: FlaskClient) -> None:
    for route in all_routes(app):
        for origin in UNLISTED_ORIGINS:
            assert preflight(client, route.path, origin, route.method) == {}, route
            response = client.open(route.path, method=route.method, headers={"Origin": origin})
            assert cors_headers(response.headers) == {}, route


def test_cors_ipv6_origin_is_matched_literally(make_app: MakeApp) -> None:
    client = make_app(CORS_ORIGINS="http://[::1]:3000").test_client()

    assert preflight(client, "/users/profile", "http://[::1]:3000", "GET")[ALLOW_ORIGIN] == "http://[::1]:3000"
    for other in ("http://1:3000", "http://::3000", "HTTP://[::1]:3000", "http://[::1]:30000"):
        assert preflight(client, "/users/profile", other, "GET") == {}


def test_cors_allows_authorization_exposes_retry_after(client: FlaskClient) -> None:
    allowed = preflight(
        client, "/auth/login", APP_ORIGIN, "POST", "authorization, content-type, x-request-id, x-forwarded-for"
    )
    response = client.post("/auth/login", json={}, headers={"Origin": APP_ORIGIN})

    assert allowed["Access-Control-Allow-Headers"] == "authorization, content-type, x-request-id"
    assert allowed["Access-Control-Max-Age"] == "600"
    assert (response.status_code, response.headers[ALLOW_ORIGIN]) == (422, APP_ORIGIN)
    assert response.headers["Access-Control-Expose-Headers"] == "Retry-After, X-Request-ID"


@pytest.mark.parametrize("path", ["/countries", "/nothing", "/users/profile", "/hello"])
def test_cors_vary_origin_separates_cached_responses(client: FlaskClient, path: str) -> None:
    """A request without Origin does not learn the allowed origins."""
    for headers in ({}, {"Origin": APP_ORIGIN}, {"Origin": UNLISTED_ORIGINS[0]}):
        response = client.get(path, headers=headers)
        assert "Origin" in response.headers["Vary"].split(", ")
        assert bool(cors_headers(response.headers)) == (headers == {"Origin": APP_ORIGIN})


def test_cors_without_origins_sends_no_cors_headers(make_app: MakeApp) -> None:
    app = make_app()
    for route in all_routes(app):
        assert preflight(app.test_client(), route.path, APP_ORIGIN, route.method) == {}
    assert "Origin" not in app.test_client().get("/countries", headers={"Origin": APP_ORIGIN}).headers["Vary"]


@pytest.mark.parametrize(
    ("setting", "origin", "others"),
    [
        ("capacitor://localhost", "capacitor://localhost", ("capacitor://localhost.evil.example", "ionic://localhost")),
        ("ionic://localhost", "ionic://localhost", ("ionic://localhost:80", "http://localhost")),
        ("tauri://localhost", "tauri://localhost", ("https://tauri.localhost",)),
        ("app://.", "app://.", ("app://a", "app://")),
        ("app://My.App", "app://My.App", ("app://my.app",)),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop", ("chrome-extension://a",)),
        ("moz-extension://f45e-4b1b/", "moz-extension://f45e-4b1b", ("moz-extension://f45e",)),
        ("http://localhost:8100", "http://localhost:8100", ("http://localhost", "http://localhost:81000")),
        ("https://Bücher.example:443", "https://xn--bcher-kva.example", ("https://bcher.example",)),
        ("http://bücher.example:8080", "http://xn--bcher-kva.example:8080", ("http://xn--bcher-kva.example",)),
        ("HTTPS://App.Example.com:443", "https://app.example.com", ("https://app.example.com:443", "null")),
    ],
)
def test_cors_web_view_origin_is_matched_exactly(
    make_app: MakeApp, setting: str, origin: str, others: tuple[str, ...]
) -> None:
    client = make_app(CORS_ORIGINS=setting).test_client()

    assert preflight(client, "/auth/login", origin, "POST")[ALLOW_ORIGIN] == origin
    for other in others:
        assert preflight(client, "/auth/login", other, "POST") == {}, other


def test_cors_null_origin_setting_explains_the_risk(make_app: MakeApp) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS: must not contain null: every sandboxed"):
        make_app(CORS_ORIGINS="null")


@pytest.mark.parametrize(
    "origin",
    [
        "capacitor://",
        "capacitor://localhost/path",
        "capacitor://*",
        "chrome-extension:abc",
        "://a",
        "1app://a",
        "a b://c",
    ],
)
def test_cors_malformed_web_view_origin_is_rejected(make_app: MakeApp, origin: str) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS: must be origins such as"):
        make_app(CORS_ORIGINS=origin)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.example.com",
        "https://ü..example.com",
        f"{APP_ORIGIN}/path",
        f"{APP_ORIGIN}?a",
        "https://a@app.example.com",
        "app",
    ],
)
def test_cors_invalid_origin_setting_is_rejected(make_app: MakeApp, origin: str) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        make_app(CORS_ORIGINS=f"{APP_ORIGIN}, {origin}")
