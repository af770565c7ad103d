"""Pages of other origins read answers only where CORS_ORIGINS names them, and never with what browsers send alone."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.routes import routes

from flaskauth.settings import SettingsError

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

APP, DESK = "https://app.example.com", "https://desk.example.com:8443"
ALLOWED = "Access-Control-Allow-Origin"
STRANGERS = (
    "https://evil.example",
    "null",
    "http://app.example.com",
    "https://app.example.com:444",
    "https://app.example.com.evil.example",
    "https://evil.example/?https://app.example.com",
    "https://xapp.example.com",
    "https://sub.app.example.com",
    f"{APP}, {DESK}",
    "*",
)


def preflight(
    client: FlaskClient, path: str, origin: str, method: str, headers: str = "authorization"
) -> dict[str, str]:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return cross(client.options(path, headers={"Origin": origin, **asked}).headers)


def cross(headers: object) -> dict[str, str]:
    """What is said to browsers about other origins."""
    return {name: value for name, value in headers if name.startswith("Access-Control-")}  # type: ignore[attr-defined]


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(CORS_ORIGINS=f"{APP}, {DESK}/")


def test_each_route_answers_the_preflight_of_those_that_are_named(app: Flask, client: FlaskClient) -> None:
    for route in routes(app):
        for origin in (APP, DESK):
            told = preflight(client, route.path, origin, route.method)
            assert told[ALLOWED] == origin
            assert route.method in told["Access-Control-Allow-Methods"].split(", ")
            assert "Access-Control-Allow-Credentials" not in told


def test_nobody_else_is_answered(app: Flask, client: FlaskClient) -> None:
    for route in routes(app):
        for stranger in STRANGERS:
            assert preflight(client, route.path, stranger, route.method) == {}, route
            answer = client.open(route.path, method=route.method, headers={"Origin": stranger})
            assert cross(answer.headers) == {}, route


def test_an_address_in_brackets_is_itself_and_no_pattern(make_app: MakeApp) -> None:
    client = make_app(CORS_ORIGINS="http://[::1]:3000").test_client()

    assert preflight(client, "/users/profile", "http://[::1]:3000", "GET")[ALLOWED] == "http://[::1]:3000"
    for other in ("http://1:3000", "http://::3000", "HTTP://[::1]:3000", "http://[::1]:30000"):
        assert preflight(client, "/users/profile", other, "GET") == {}


def test_a_page_may_send_a_token_and_read_when_to_come_again(client: FlaskClient) -> None:
    asked = preflight(client, "/auth/login", APP, "POST", "authorization, content-type, x-request-id, x-forwarded-for")
    answer = client.post("/auth/login", json={}, headers={"Origin": APP})

    assert asked["Access-Control-Allow-Headers"] == "authorization, content-type, x-request-id"
    assert asked["Access-Control-Max-Age"] == "600"
    assert (answer.status_code, answer.headers[ALLOWED]) == (422, APP)
    assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After, X-Request-ID"


@pytest.mark.parametrize("path", ["/countries", "/nothing", "/users/profile", "/hello"])
def test_what_is_kept_for_one_origin_is_given_to_no_other(client: FlaskClient, path: str) -> None:
    """And who names none is not told which there are."""
    for headers in ({}, {"Origin": APP}, {"Origin": STRANGERS[0]}):
        answer = client.get(path, headers=headers)
        assert answer.headers["Vary"] == "Origin"
        assert bool(cross(answer.headers)) == (headers == {"Origin": APP})


def test_where_none_is_named_there_is_nothing_to_read(make_app: MakeApp) -> None:
    app = make_app()
    for route in routes(app):
        assert preflight(app.test_client(), route.path, APP, route.method) == {}
    assert "Vary" not in app.test_client().get("/countries", headers={"Origin": APP}).headers


@pytest.mark.parametrize(
    "written", ["*", "null", "https://*.example.com", f"{APP}/path", f"{APP}?a", "https://a@app.example.com", "app"]
)
def test_what_is_no_origin_is_refused_at_the_start(make_app: MakeApp, written: str) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        make_app(CORS_ORIGINS=f"{APP}, {written}")
