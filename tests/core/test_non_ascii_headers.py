"""Header values that are not ASCII, as WSGI servers pass them on: each byte as one character."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.core.test_client_ip import recorded_client_ip
from tests.support.inspect import error_of
from tests.support.route_catalog import all_routes
from tests.support.rsgi import profile_request, refresh_request, rsgi_client
from tests.support.users import CLIENT_IP, UserFactory, bearer

from flaskauth import mount

VALUES = {"UTF-8": "Zürich".encode().decode("latin-1"), "Latin-1": "Z\xfcrich", "unreadable": "\xff"}
ORIGIN = "https://app.example.com"
IGNORED = (
    *("CF_IPCITY", "COOKIE", "USER_AGENT", "REFERER", "ORIGIN", "IF_NONE_MATCH", "IF_MODIFIED_SINCE", "RANGE", "HOST"),
    *("ACCEPT_LANGUAGE", "ACCEPT", "ACCEPT_ENCODING", "X_REQUEST_ID", "X_REAL_IP", "VIA", "PRAGMA", "UPGRADE"),
)

with_each_value = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)


@with_each_value
def test_non_ascii_header_does_not_change_the_status(app: Flask, client: FlaskClient, value: str) -> None:
    headers = {f"HTTP_{name}": value for name in IGNORED}
    for route in all_routes(app):
        if route.path.startswith(("/dev/", "/metrics")):  # a header that shows a proxy hides them
            continue
        expected = client.open(route.path, method=route.method, json={} if route.body_schema else None)
        response = client.open(
            route.path, method=route.method, json={} if route.body_schema else None, environ_overrides=headers
        )
        assert response.status_code == expected.status_code, route


@with_each_value
def test_non_ascii_header_on_the_fast_path_is_ignored(app: Flask, value: str) -> None:
    tokens = UserFactory(app).create_verified().login_ok()
    headers = {"CF-IPCity": value, "User-Agent": value, "X-Request-ID": value, "Cookie": value, "Origin": value}
    with rsgi_client(app) as rsgi:
        profile = rsgi.send(profile_request(tokens["token"], headers))
        refresh = rsgi.send(refresh_request(tokens["refresh_token"], headers))

    assert [(response.status, response.is_by_flask) for response in (profile, refresh)] == [(200, False)] * 2
    assert profile.request_id.isascii()


@with_each_value
def test_non_ascii_authorization_returns_401(make_app: MakeApp, value: str) -> None:
    client = make_app(CORS_ORIGINS=ORIGIN).test_client()
    for credentials in (value, f"Bearer {value}", f"Basic {value}"):
        for method, path in (("GET", "/users/profile"), ("GET", "/auth/sessions"), ("POST", "/auth/logout")):
            response = client.open(
                path, method=method, headers={"Origin": ORIGIN}, environ_overrides={"HTTP_AUTHORIZATION": credentials}
            )
            assert error_of(response) == (401, "invalid_token"), path
            assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


@with_each_value
def test_non_ascii_forwarded_for_falls_back_to_peer(app: Flask, value: str) -> None:
    assert recorded_client_ip(app, HTTP_X_FORWARDED_FOR=f"{value}, {CLIENT_IP}") == "127.0.0.1"
    assert recorded_client_ip(app, HTTP_X_FORWARDED_FOR=f"{CLIENT_IP}, {value}") == "127.0.0.1"
    assert recorded_client_ip(app, HTTP_X_FORWARDED_FOR=value, REMOTE_ADDR="127.0.0.2") == "127.0.0.2"


def test_non_ascii_user_agent_keeps_its_ascii_part(app: Flask) -> None:
    user = UserFactory(app).create_verified()
    agent = "M\xfcsli/1.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    tokens = user.client.post(
        "/auth/login",
        json={"email": user.email, "password": user.password},
        environ_overrides={"HTTP_USER_AGENT": agent},
    ).get_json()
    [newest, *_] = user.client.get("/auth/sessions", headers=bearer(tokens["token"])).get_json()["sessions"]

    assert newest["device"] == "Firefox (Linux)"


@with_each_value
def test_non_ascii_header_to_mounted_server_is_ignored(make_app: MakeApp, value: str) -> None:
    host = Flask("host")
    mount(host, make_app(PUBLIC_URL="http://localhost/accounts"), "/accounts")
    headers = {f"HTTP_{name}": value for name in IGNORED}

    assert host.test_client().get("/accounts/hello", environ_overrides=headers).status_code == 200
