"""M: methods, hosts, origins and headers at every route. See test_http_connection_attacks for raw connections."""

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.registration.helpers import unused_ip
from tests.security.checks import AttackChecker
from tests.support.inspect import error_of
from tests.support.log_capture import LogCapture
from tests.support.route_catalog import all_routes
from tests.support.users import bearer, forwarded_for

FOREIGN_ORIGINS = (
    "https://evil.example",
    "null",
    "http://good.example",
    "https://good.example.evil.example",
    "https://xgood.example",
)
ALLOWED_ORIGIN = "https://good.example"
PREFLIGHT_HEADERS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, x-evil"}
ALLOW_ORIGIN_HEADER = "Access-Control-Allow-Origin"


def test_m05_cors_without_allowed_origins_sends_no_headers(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=0):
        for route in all_routes(checker.app):
            for origin in (*FOREIGN_ORIGINS, ALLOWED_ORIGIN):
                response = checker.client.options(route.path, headers={"Origin": origin, **PREFLIGHT_HEADERS})
                assert response.status_code == 200
                assert not [name for name, _ in response.headers if name.startswith("Access-Control")], route


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_m05_cors_allows_only_the_configured_origin(log_capture: LogCapture, make_app: MakeApp) -> None:
    checker = AttackChecker(make_app(CORS_ORIGINS=ALLOWED_ORIGIN), log_capture)
    with checker.expect_only(hashes=0):
        for route in all_routes(checker.app):
            for origin in FOREIGN_ORIGINS:
                headers = {"Origin": origin, "Access-Control-Request-Private-Network": "true", **PREFLIGHT_HEADERS}
                assert ALLOW_ORIGIN_HEADER not in checker.client.options(route.path, headers=headers).headers, (
                    f"{route} {origin}"
                )
                assert (
                    ALLOW_ORIGIN_HEADER
                    not in checker.client.open(route.path, method=route.method, headers={"Origin": origin}).headers
                )
            response = checker.client.options(route.path, headers={"Origin": ALLOWED_ORIGIN, **PREFLIGHT_HEADERS})
            assert response.headers.get(ALLOW_ORIGIN_HEADER) == ALLOWED_ORIGIN, f"{route} {response.headers}"
            assert "Access-Control-Allow-Credentials" not in response.headers
            assert "Origin" in response.headers["Vary"]


def test_m07_every_response_has_security_headers(checker: AttackChecker) -> None:
    """The checker verifies all headers; this test produces a response of each status."""
    statuses = set()
    with checker.expect_only(hashes=0):
        for route in all_routes(checker.app):
            if "/dev/" in route.path or "/docs" in route.path:
                continue
            for method in (route.method, "OPTIONS", "FOO"):
                for body in (b"", b"[" * 70_000):
                    headers = forwarded_for(unused_ip())
                    response = checker.client.open(route.path, method=method, data=body, headers=headers)
                    statuses.add(response.status_code)
                    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert {200, 401, 404, 405, 413, 415} <= statuses


def test_m09_forged_host_header_is_not_reflected(checker: AttackChecker) -> None:
    hosts = (
        "evil.example",
        "evil.example:80",
        "127.0.0.1:1",
        "[::1]",
        "a b",
        "",
        "x" * 5000,
        "evil.example/",
        "%0d%0a",
        "\xff",
    )
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "X-Forwarded-Prefix": "/evil"}
    with checker.expect_only(hashes=0):
        for host in hosts:
            for path in ("/", "/hello", "/docs", "/openapi.json", "/nope", "/auth/revert-email-change"):
                response = checker.client.get(path, headers={"Host": host, **forwarded, "X-Original-URL": "/evil"})
                assert response.status_code in {200, 400, 404}
                assert "Location" not in response.headers
                assert "evil" not in response.text.lower() + str(response.headers), f"{host} {path}"


def test_m11_response_splitting_values_are_not_reflected(checker: AttackChecker) -> None:
    payloads = (
        "a\tSet-Cookie: x=1",
        "a%0d%0aSet-Cookie:x=1",
        "a\xe5\x98\x8aSet-Cookie",
        "\x1b[31m",
        '"><script>',
        "a, b",
        "x" * 65,
    )
    with checker.expect_only(hashes=0):
        for payload in payloads:
            for name in ("X-Request-ID", "Accept-Language", "Origin", "User-Agent", "If-None-Match", "Range", "Cookie"):
                for path in ("/hello", "/nope", "/docs/init.js", "/auth/revert-email-change"):
                    headers = {name: payload, **forwarded_for(unused_ip())}
                    response = checker.client.get(path, headers=headers, query_string={"x": payload})
                    assert "set-cookie" not in str(response.headers).lower()
                    assert payload not in str(response.headers), f"{name} {payload!r}"
                    assert len(response.headers.getlist("X-Request-ID")) == 1


def test_m15_operator_pages_are_not_exposed(checker: AttackChecker, app: Flask) -> None:
    headers = {**forwarded_for(unused_ip()), "Host": "auth.example.com"}
    paths = (
        "/debug",
        "/console",
        "/server-status",
        "/.env",
        "/.git/config",
        "/admin",
        "/actuator",
        "/dev/mailbox.json",
        "/metrics",
    )
    with checker.expect_only(hashes=0):
        for path in (
            *paths,
            "/dev/mailbox",
            "/static/app.py",
            "/docs/../settings",
            "/openapi.yaml",
            "/?__debugger__=yes",
        ):
            response = checker.client.get(path, headers=headers)
            assert response.status_code == (200 if path.startswith("/?") else 404), path
            assert "debugger" not in response.text
        assert "checks" not in checker.client.get("/health/ready", headers=headers).get_json()
        assert set(checker.client.get("/health/live", headers=headers).get_json()) == {"status", "success", "message"}


def test_m17_upgrade_and_conditional_headers_are_ignored(checker: AttackChecker) -> None:
    header_sets = (
        {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
        {"Expect": "100-continue"},
        {"Range": "bytes=0-0,1-1,2-2"},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Sat, 99 Foo 999999 99:99:99 GMT"},
        {"TE": "trailers", "Trailer": "Authorization"},
        {"Accept": "text/html;q=1e400, */*;q=nan", "Accept-Charset": "utf-7", "Accept-Encoding": "gzip;q=0"},
    )
    with checker.expect_only(hashes=0):
        for headers in header_sets:
            for path in ("/hello", "/users/profile", "/countries"):
                response = checker.client.get(path, headers={**headers, **bearer(checker.api_client.token)})
                assert response.status_code == 200, f"{headers} {path}"


def test_m17_ambiguous_paths_are_not_found(checker: AttackChecker) -> None:
    paths = ("//auth/login", "/auth/login/", "/auth/login;a=b", "/auth/login%2f", "/auth/./login", "/auth/x/../login")
    with checker.expect_only(hashes=0):
        for path in (
            *paths,
            "/auth/login%00",
            "/auth/login.",
            "/auth/login%20",
            "/AUTH/LOGIN",
            "/auth\\login",
            "/%61uth/login/x",
        ):
            response = checker.client.post(path, json={"email": "a@example.com", "password": "x"})
            assert error_of(response) == (404, "not_found"), path
