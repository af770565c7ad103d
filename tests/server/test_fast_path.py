"""The fast path returns the same responses as Flask for usual requests, and leaves every other request to Flask."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

import pytest
from flask import Flask, request_started
from flask import Response as FlaskResponse
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tests.conftest import MakeApp
from tests.support.inspect import single_event
from tests.support.log_capture import LogCapture
from tests.support.rsgi import PROFILE, Response, RSGIClient, profile_request, refresh_request, rsgi_client
from tests.support.users import CLIENT_IP, UserFactory, bearer

from flaskauth.core import shutdown
from flaskauth.core.jobs.batches import MAX_QUEUED
from flaskauth.core.observability.log import get_logger
from flaskauth.server.fast_path import MAX_DATABASE_WAIT

APP_ORIGIN = "https://app.example.com"
FORCE_FLASK = {"Content-Language": "en"}
BROWSER = {"Cookie": "theme=dark; other_session=1", "Origin": APP_ORIGIN, "Accept-Language": "fr-CA, fr;q=0.9"}


@pytest.fixture
def rsgi(app: Flask) -> Iterator[RSGIClient]:
    with rsgi_client(app) as client:
        yield client


@contextmanager
def connected_listener(app: Flask) -> Iterator[list[str]]:
    """Connect a function to Flask's `request_started` signal, as tracing libraries do."""
    signals: list[str] = []

    def on_request(_app: Flask, **_more: object) -> None:
        signals.append("request")

    with request_started.connected_to(on_request, app):
        yield signals


def login(app: Flask) -> dict[str, Any]:
    tokens: dict[str, Any] = UserFactory(app).create_verified(country="NG").login_ok()
    return tokens


def assert_equal(fast: Response, slow: Response) -> None:
    assert (fast.is_by_flask, slow.is_by_flask) == (False, True)
    assert (fast.status, fast.headers, fast.body) == (slow.status, slow.headers, slow.body)


@pytest.mark.parametrize("origin", [APP_ORIGIN, "https://evil.example", "null", ""])
def test_profile_fast_path_equals_flask_response(make_app: MakeApp, origin: str) -> None:
    app = make_app(CORS_ORIGINS=APP_ORIGIN, PUBLIC_URL="https://auth.example.com")
    headers = {**BROWSER, "Origin": origin} if origin else {}
    token = login(app)["token"]
    with rsgi_client(app) as rsgi:
        fast = rsgi.send(profile_request(token, headers, query_string="a=b"))
        slow = rsgi.send(profile_request(token, {**headers, **FORCE_FLASK}))

    assert_equal(fast, slow)
    assert (fast.status, fast.json["user"]["email"]) == (200, "grace@example.com")
    assert fast.headers["Content-Language"] == ("fr" if origin else "en")
    assert fast.headers.get("Access-Control-Allow-Origin") == (origin if origin == APP_ORIGIN else None)


def test_profile_fast_path_works_during_account_deletion(app: Flask, rsgi: RSGIClient) -> None:
    user = UserFactory(app).create_verified()
    token = user.login_ok()["token"]
    assert user.client.delete("/users/account", headers=bearer(token)).status_code == 200
    token = user.login_ok()["token"]

    assert_equal(rsgi.send(profile_request(token)), rsgi.send(profile_request(token, FORCE_FLASK)))


@pytest.mark.usefixtures("stopped_clock")
def test_refresh_fast_path_equals_flask_response(app: Flask, rsgi: RSGIClient) -> None:
    headers = {**BROWSER, "Content-Type": "application/json; charset=UTF-8"}
    fast = rsgi.send(refresh_request(login(app)["refresh_token"], headers))
    slow = rsgi.send(refresh_request(fast.json["refresh_token"], {**BROWSER, **FORCE_FLASK}))

    assert (fast.is_by_flask, slow.is_by_flask, fast.status) == (False, True, 200)
    assert fast.headers == {**slow.headers, "Content-Length": str(len(fast.body))}
    same = {name: value for name, value in fast.json.items() if "token" not in name}
    assert same == {name: value for name, value in slow.json.items() if "token" not in name}
    assert rsgi.send(profile_request(fast.json["token"])).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Language": "z\xfcrich"},
        {"Content-Encoding": "gzip"},
        {"Content-Length": "2"},
        {"Access-Control-Request-Private-Network": "true"},
        {"Cookie": "a=b; session=c"},
        {"Authorization": ""},
        {"Authorization": "Basic YTpi"},
    ],
    ids=str,
)
def test_profile_unusual_header_is_handled_by_flask(app: Flask, rsgi: RSGIClient, headers: dict[str, str]) -> None:
    token = login(app)["token"]

    assert rsgi.send(profile_request(token, headers, body=b"{}")).is_by_flask
    assert not rsgi.send(profile_request(token)).is_by_flask


def test_profile_unusual_request_is_handled_by_flask(app: Flask, rsgi: RSGIClient) -> None:
    token, other = login(app)["token"], {"path": f"{PROFILE}/", "method": "HEAD", "client": "192.0.2.1:1"}
    for name, value in other.items():
        request = profile_request(token)
        setattr(request, name, value)
        response = rsgi.send(request)
        assert (response.is_by_flask, response.status != 200) == (True, name != "method")


@pytest.mark.parametrize(
    "body",
    [
        b'{"refresh_token": "%s", "unknown": 1}',
        b'{"refresh_token": "%s", "refresh_token": "%s"}',
        b'[{"refresh_token": "%s"}]',
        b'{"refresh_token": "%s"',
        b'{"refresh_token": "%s "}',
        b'{"refresh_token": "%s"}' + b" " * 2000,
        b'\x0b{"refresh_token": "%s"}',
        b'{"refresh_token": "%s"}\x0c',
        b'{"refresh_token": "%s' + b"a" * 500 + b'"}',
        b'{"refresh_token": NaN}',
        b"",
    ],
    ids=range(11),
)
def test_refresh_unusual_body_is_handled_by_flask(app: Flask, rsgi: RSGIClient, body: bytes) -> None:
    token = login(app)["refresh_token"]

    assert rsgi.send(refresh_request("", body=body.replace(b"%s", token.encode()))).is_by_flask


@pytest.mark.parametrize("content_type", ["text/plain", "application/ json", "application/json; charset=utf- 8", ""])
def test_refresh_invalid_content_type_returns_415(app: Flask, rsgi: RSGIClient, content_type: str) -> None:
    token = login(app)["refresh_token"]

    assert rsgi.send(refresh_request(token, {"Content-Type": content_type})).status == 415


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "1.1.AAAA"])
def test_fast_path_invalid_token_error_equals_flask(app: Flask, rsgi: RSGIClient, token: str) -> None:
    for request in (profile_request, refresh_request):
        first, second = rsgi.send(request(token)), rsgi.send(request(token, FORCE_FLASK))

        assert (first.status, first.headers) == (second.status, second.headers)
        assert first.body.replace(first.request_id.encode(), b"") == second.body.replace(
            second.request_id.encode(), b""
        )


def test_fast_path_after_logout_returns_401(app: Flask, rsgi: RSGIClient) -> None:
    tokens = login(app)
    assert not rsgi.send(profile_request(tokens["token"])).is_by_flask
    app.test_client().post("/auth/logout", headers=bearer(tokens["token"]))

    assert rsgi.send(profile_request(tokens["token"])).status == 401
    assert rsgi.send(refresh_request(tokens["refresh_token"])).status == 401


def test_refresh_token_reuse_is_handled_by_flask(app: Flask, rsgi: RSGIClient) -> None:
    first = login(app)["refresh_token"]
    fast, replay = rsgi.send(refresh_request(first)), rsgi.send(refresh_request(first))
    third = rsgi.send(refresh_request(fast.json["refresh_token"]))

    assert (fast.is_by_flask, replay.is_by_flask, third.is_by_flask) == (False, True, False)
    assert fast.json["refresh_token"] == replay.json["refresh_token"]
    assert rsgi.send(refresh_request(first)).status == 401
    assert single_event(app, "refresh_token_reused").session_id == int(first.partition(".")[0])


def test_rate_limit_counts_fast_path_and_flask_alike(make_app: MakeApp) -> None:
    app = make_app(RATE_LIMIT_FACTOR="0.01")  # 6 per minute
    token, responses = login(app)["refresh_token"], []
    with rsgi_client(app) as rsgi:
        for _ in range(3):
            responses += [rsgi.send(refresh_request(token)) for _ in range(2)]  # Flask handles the replay
            token = responses[-1].json["refresh_token"]
        limited = rsgi.send(refresh_request(token))

    assert [(response.status, response.is_by_flask) for response in responses] == [(200, False), (200, True)] * 3
    assert limited.status == 429
    assert int(limited.headers["Retry-After"]) > 0


def test_fast_path_log_line_equals_flask(make_app: MakeApp) -> None:
    with redirect_stderr(LogCapture()) as log_capture:
        app = make_app()
        token = login(app)["token"]
        headers = {"X-Request-ID": "mine-1", "X-Forwarded-For": CLIENT_IP}
        with rsgi_client(app) as rsgi:
            rsgi.send(profile_request(token, headers))
            rsgi.send(profile_request(token, {**headers, **FORCE_FLASK}))

    fast, slow = [line for line in log_capture.events_named("request") if line["request_id"] == "mine-1"]
    assert (fast["route"], fast["ip"], fast["status"]) == (PROFILE, CLIENT_IP, 200)
    varying = {"ms", "timestamp"}
    assert [*fast] == [*slow]
    assert {**fast, **dict.fromkeys(varying)} == {**slow, **dict.fromkeys(varying)}


def test_batch_log_line_has_no_earlier_request_id(make_app: MakeApp) -> None:
    def log_in_view(environs: Any) -> Any:
        get_logger("test").warning("in_view")
        return [{"success": True} for _ in environs]

    views = {("GET", PROFILE): ("profile.get_profile", log_in_view, 1)}
    with redirect_stderr(LogCapture()) as log_capture, rsgi_client(make_app(), views) as rsgi:
        for _ in range(2):
            assert not rsgi.send(profile_request("")).is_by_flask

    assert ["request_id" in line for line in log_capture.events_named("in_view")] == [False, False]


def test_fast_path_is_off_with_a_custom_hook(app: Flask) -> None:
    @app.after_request
    def sign(response: FlaskResponse) -> FlaskResponse:
        response.headers["X-Signed"] = "yes"
        return response

    token = login(app)["token"]
    with rsgi_client(app) as rsgi:
        assert rsgi.send(profile_request(token)).headers["X-Signed"] == "yes"


def test_fast_path_is_off_with_a_custom_view(app: Flask) -> None:
    app.view_functions["profile.get_profile"] = lambda: FlaskResponse("custom")
    with rsgi_client(app) as rsgi:
        assert rsgi.send(profile_request("")).body == b"custom"
        assert not rsgi.send(refresh_request(login(app)["refresh_token"])).is_by_flask


def test_fast_path_is_off_with_a_wsgi_middleware(app: Flask) -> None:
    app.wsgi_app = app.wsgi_app  # type: ignore[method-assign]
    with rsgi_client(app) as rsgi:
        assert rsgi.send(profile_request(login(app)["token"])).is_by_flask


def test_fast_path_is_off_while_a_signal_is_connected(app: Flask, rsgi: RSGIClient) -> None:
    token = login(app)["token"]
    with connected_listener(app) as signals:
        assert rsgi.send(profile_request(token)).is_by_flask
        assert signals == ["request"]

    assert not rsgi.send(profile_request(token)).is_by_flask


@pytest.mark.parametrize(
    ("delay", "error", "status"),
    [(0, PoolTimeout(), 200), (0, RuntimeError(), 200), (MAX_DATABASE_WAIT + 0.1, PoolTimeout(), 503)],
)
def test_fast_path_error_falls_back_to_flask_or_503(app: Flask, delay: float, error: Exception, status: int) -> None:
    def fail(_environs: Any) -> Any:
        time.sleep(delay)
        raise error

    with rsgi_client(app, {("GET", PROFILE): ("profile.get_profile", fail, 1)}) as rsgi:
        assert rsgi.send(profile_request(login(app)["token"])).status == status


def test_fast_path_exception_is_logged_once_per_batch(make_app: MakeApp) -> None:
    """Flask then runs each request itself, and logs what it raises there."""
    sizes: list[int] = []

    def fail(environs: Any) -> Any:
        sizes.append(len(environs))
        while sizes == [1] and client.waiting("GET", PROFILE) < 3:
            time.sleep(0.001)
        raise ZeroDivisionError

    with (
        redirect_stderr(LogCapture()) as log_capture,
        rsgi_client(make_app(), {("GET", PROFILE): ("profile.get_profile", fail, 1)}) as client,
    ):
        responses = client.send_all([profile_request("x") for _ in range(4)])

    assert {response.status for response in responses} == {401}
    lines = log_capture.events_named("unhandled_exception")
    assert [(line["requests"], "request_id" in line) for line in lines] == [(1, False), (3, False)]


def test_fast_path_with_full_queue_returns_503(app: Flask) -> None:
    def wait(environs: Any) -> Any:
        time.sleep(0.1)
        return [{"success": True} for _ in environs]

    with rsgi_client(app, {("GET", PROFILE): ("profile.get_profile", wait, 1)}) as rsgi:
        requests = [profile_request("", {"X-Request-ID": "mine-1"}) for _ in range(MAX_QUEUED + 70)]
        rejected = [response for response in rsgi.send_all(requests) if response.status != 200]

    assert {(response.status, response.headers["Retry-After"]) for response in rejected} == {(503, "1")}
    assert {(response.request_id, response.json["request_id"]) for response in rejected} == {("mine-1", "mine-1")}


def test_fast_path_closes_the_connection_while_draining(app: Flask, rsgi: RSGIClient) -> None:
    token = login(app)["token"]
    assert "Connection" not in rsgi.send(profile_request(token)).headers
    shutdown.start_draining(app)

    assert rsgi.send(profile_request(token)).headers["Connection"] == "close"


def test_cancelled_request_leaves_the_others_of_its_batch(app: Flask) -> None:
    async def cancel_one(client: RSGIClient) -> list[Response]:
        task = asyncio.ensure_future(client._send_all([profile_request(token)]))
        await asyncio.sleep(0)
        task.cancel()
        return await client._send_all([profile_request(token)])

    token = login(app)["token"]
    with asyncio.Runner() as runner:
        assert runner.run(cancel_one(RSGIClient(app, runner)))[0].status == 200
