"""M: methods, hosts, origins and headers, at every route. test_m_connections has what only a connection shows."""

import pytest
from flask import Flask
from tests.attacks.judging import Judge
from tests.conftest import MakeApp
from tests.inside import refused
from tests.journal import Journal
from tests.people import bearer, network
from tests.registration.asking import elsewhere
from tests.routes import routes

EVIL = (
    "https://evil.example",
    "null",
    "http://good.example",
    "https://good.example.evil.example",
    "https://xgood.example",
)
GOOD = "https://good.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, x-evil"}
ALLOWED = "Access-Control-Allow-Origin"


def test_m05_preflights_where_no_origin_is_allowed(judge: Judge) -> None:
    with judge.case(hashed=0):
        for route in routes(judge.app):
            for origin in (*EVIL, GOOD):
                answer = judge.client.options(route.path, headers={"Origin": origin, **PREFLIGHT})
                assert answer.status_code == 200
                assert not [name for name, _ in answer.headers if name.startswith("Access-Control")], route


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_m05_preflights_where_one_is_allowed(journal: Journal, make_app: MakeApp) -> None:
    judge = Judge(make_app(CORS_ORIGINS=GOOD), journal)
    with judge.case(hashed=0):
        for route in routes(judge.app):
            for origin in EVIL:
                headers = {"Origin": origin, "Access-Control-Request-Private-Network": "true", **PREFLIGHT}
                assert ALLOWED not in judge.client.options(route.path, headers=headers).headers, f"{route} {origin}"
                assert (
                    ALLOWED
                    not in judge.client.open(route.path, method=route.method, headers={"Origin": origin}).headers
                )
            answer = judge.client.options(route.path, headers={"Origin": GOOD, **PREFLIGHT})
            assert answer.headers.get(ALLOWED) == GOOD, f"{route} {answer.headers}"
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert "Origin" in answer.headers["Vary"]


def test_m07_what_every_answer_carries(judge: Judge) -> None:
    """The judge looks at the headers; here is something of each status."""
    statuses = set()
    with judge.case(hashed=0):
        for route in routes(judge.app):
            if "/dev/" in route.path or "/docs" in route.path:
                continue
            for method in (route.method, "OPTIONS", "FOO"):
                for body in (b"", b"[" * 70_000):
                    headers = network(elsewhere())
                    answer = judge.client.open(route.path, method=method, data=body, headers=headers)
                    statuses.add(answer.status_code)
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert {200, 401, 404, 405, 413, 415} <= statuses


def test_m09_hosts_of_somebody_else(judge: Judge) -> None:
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
    with judge.case(hashed=0):
        for host in hosts:
            for path in ("/", "/hello", "/docs", "/openapi.json", "/nope", "/auth/undo"):
                answer = judge.client.get(path, headers={"Host": host, **forwarded, "X-Original-URL": "/evil"})
                assert answer.status_code in {200, 400, 404}
                assert "Location" not in answer.headers
                assert "evil" not in answer.text.lower() + str(answer.headers), f"{host} {path}"


def test_m11_values_that_would_split_an_answer(judge: Judge) -> None:
    loads = (
        "a\tSet-Cookie: x=1",
        "a%0d%0aSet-Cookie:x=1",
        "a\xe5\x98\x8aSet-Cookie",
        "\x1b[31m",
        '"><script>',
        "a, b",
        "x" * 65,
    )
    with judge.case(hashed=0):
        for load in loads:
            for name in ("X-Request-ID", "Accept-Language", "Origin", "User-Agent", "If-None-Match", "Range", "Cookie"):
                for path in ("/hello", "/nope", "/docs/init.js", "/auth/undo"):
                    headers = {name: load, **network(elsewhere())}
                    answer = judge.client.get(path, headers=headers, query_string={"x": load})
                    assert "set-cookie" not in str(answer.headers).lower()
                    assert load not in str(answer.headers), f"{name} {load!r}"
                    assert len(answer.headers.getlist("X-Request-ID")) == 1


def test_m15_what_operators_look_at(judge: Judge, app: Flask) -> None:
    outside = {**network(elsewhere()), "Host": "auth.example.com"}
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
    with judge.case(hashed=0):
        for path in (
            *paths,
            "/dev/mailbox",
            "/static/app.py",
            "/docs/../settings",
            "/openapi.yaml",
            "/?__debugger__=yes",
        ):
            answer = judge.client.get(path, headers=outside)
            assert answer.status_code == (200 if path.startswith("/?") else 404), path
            assert "debugger" not in answer.text
        assert "checks" not in judge.client.get("/health/ready", headers=outside).get_json()
        assert set(judge.client.get("/health/live", headers=outside).get_json()) == {"status", "success", "message"}


def test_m17_upgrades_and_conditions(judge: Judge) -> None:
    odd = (
        {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
        {"Expect": "100-continue"},
        {"Range": "bytes=0-0,1-1,2-2"},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Sat, 99 Foo 999999 99:99:99 GMT"},
        {"TE": "trailers", "Trailer": "Authorization"},
        {"Accept": "text/html;q=1e400, */*;q=nan", "Accept-Charset": "utf-7", "Accept-Encoding": "gzip;q=0"},
    )
    with judge.case(hashed=0):
        for headers in odd:
            for path in ("/hello", "/users/profile", "/countries"):
                answer = judge.client.get(path, headers={**headers, **bearer(judge.caller.token)})
                assert answer.status_code == 200, f"{headers} {path}"


def test_m17_paths_that_are_read_in_two_ways(judge: Judge) -> None:
    paths = ("//auth/login", "/auth/login/", "/auth/login;a=b", "/auth/login%2f", "/auth/./login", "/auth/x/../login")
    with judge.case(hashed=0):
        for path in (
            *paths,
            "/auth/login%00",
            "/auth/login.",
            "/auth/login%20",
            "/AUTH/LOGIN",
            "/auth\\login",
            "/%61uth/login/x",
        ):
            answer = judge.client.post(path, json={"email": "a@example.com", "password": "x"})
            assert refused(answer) == (404, "not_found"), path
