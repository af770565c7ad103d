"""The fast path returns the same responses as Flask for plain requests, and leaves every other request to Flask."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from typing import Any

import pytest
from flask import Flask, Response, request_started
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tests.conftest import MakeApp
from tests.support.inspect import single_event
from tests.support.log_capture import LogCapture
from tests.support.users import CLIENT_IP, UserFactory, bearer
from werkzeug.test import Client

from flaskauth.core.http import app as http_app
from flaskauth.core.http.fast_path import MAX_DATABASE_WAIT, FastPathMiddleware

PROFILE, REFRESH = "/users/profile", "/auth/refresh"
FORCE_FLASK = {"Cookie": "theme=dark"}


class RecordedResponse:
    """The response to a request, and whether Flask handled it."""

    def __init__(self, app: Flask, path: str, **request: Any) -> None:
        captured: dict[str, Any] = {}

        def capture(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            captured["environ"] = environ
            return app.wsgi_app(environ, start_response)

        response = Client(capture, use_cookies=False).open(path, environ_base={"REMOTE_ADDR": "127.0.0.1"}, **request)
        self.status, self.body = response.status, response.data
        self.request_id = response.headers.pop("X-Request-ID")
        self.headers = dict(response.headers)
        self.is_by_flask = http_app.STARTED_AT in captured["environ"]


def get_profile(app: Flask, token: str, **headers: str) -> RecordedResponse:
    return RecordedResponse(app, PROFILE, headers={**bearer(token), **headers})


def post_refresh(app: Flask, token: str, **headers: str) -> RecordedResponse:
    return RecordedResponse(app, REFRESH, method="POST", json={"refresh_token": token}, headers=headers)


@contextmanager
def connected_listener(app: Flask) -> Iterator[list[str]]:
    """Connect a function to Flask's `request_started` signal, as tracing libraries do."""
    signals: list[str] = []

    def on_request(_app: Flask, **_more: object) -> None:
        signals.append("request")

    with request_started.connected_to(on_request, app):
        yield signals


@pytest.mark.parametrize(("country", "language"), [("NG", "fr-CA, fr;q=0.9"), ("", "xx")])
def test_profile_fast_path_equals_flask_response(app: Flask, country: str, language: str) -> None:
    fields = {"country": country} if country else {}
    accepted = {"Accept-Language": language}
    token = UserFactory(app).create_verified(**fields).login_ok()["token"]
    fast, slow = get_profile(app, token, **accepted), get_profile(app, token, **accepted, **FORCE_FLASK)

    assert (fast.is_by_flask, slow.is_by_flask) == (False, True)
    assert (fast.status, fast.headers, fast.body) == (slow.status, slow.headers, slow.body)
    assert fast.status == "200 OK"
    assert b"grace@example.com" in fast.body
    assert fast.headers["Content-Language"] == ("fr" if country else "en")


def test_profile_fast_path_works_during_account_deletion(app: Flask) -> None:
    user = UserFactory(app).create_verified()
    token = user.login_ok()["token"]
    assert user.client.delete("/users/account", headers=bearer(token)).status_code == 200
    token = user.login_ok()["token"]
    fast, slow = get_profile(app, token), get_profile(app, token, **FORCE_FLASK)

    assert (fast.is_by_flask, slow.is_by_flask) == (False, True)
    assert (fast.status, fast.body) == (slow.status, slow.body)


def test_refresh_fast_path_equals_flask_response(app: Flask) -> None:
    first = UserFactory(app).create_verified().login_ok()
    accepted = {"Accept-Language": "ar"}
    fast = post_refresh(app, first["refresh_token"], **accepted)
    rotated = app.json.loads(fast.body)
    slow = post_refresh(app, rotated["refresh_token"], **accepted, **FORCE_FLASK)

    assert (fast.is_by_flask, slow.is_by_flask) == (False, True)
    assert fast.headers["Content-Language"] == "ar"
    assert fast.headers == {**slow.headers, "Content-Length": str(len(fast.body))}
    other_fields = {name: value for name, value in rotated.items() if "token" not in name}
    assert other_fields == {name: value for name, value in app.json.loads(slow.body).items() if "token" not in name}
    assert get_profile(app, rotated["token"]).status == "200 OK"


@pytest.mark.parametrize(
    "change",
    [
        {"headers": {"Origin": "https://app.example.com"}},
        {"headers": {"Cookie": "a=b"}},
        {"query_string": "a=b"},
        {"data": b"{}", "content_type": "application/json"},
        {"method": "HEAD"},
        {"method": "OPTIONS"},
        {"path": "/users/profile/"},
        {"environ_overrides": {"REMOTE_ADDR": "192.0.2.1"}},
        {"headers": {"Authorization": ""}},
        {"headers": {"Authorization": "Basic YTpi"}},
    ],
    ids=str,
)
def test_profile_unusual_request_is_handled_by_flask(app: Flask, change: dict[str, Any]) -> None:
    token = UserFactory(app).create_verified().login_ok()["token"]
    request = {"path": PROFILE, **change, "headers": {**bearer(token), **change.get("headers", {})}}

    assert RecordedResponse(app, **request).is_by_flask
    assert not get_profile(app, token).is_by_flask


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
    ],
)
def test_refresh_unusual_body_is_handled_by_flask(app: Flask, body: bytes) -> None:
    token = UserFactory(app).create_verified().login_ok()["refresh_token"].encode()
    response = RecordedResponse(
        app, REFRESH, method="POST", data=body.replace(b"%s", token), content_type="application/json"
    )

    assert response.is_by_flask
    assert RecordedResponse(
        app, REFRESH, method="POST", data=b'{"refresh_token":"%s"}' % token
    ).is_by_flask  # no Content-Type


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_fast_path_invalid_token_error_equals_flask(app: Flask, token: str) -> None:
    UserFactory(app).create_verified()
    for send in (get_profile, post_refresh):
        fast, slow = send(app, token), send(app, token, **FORCE_FLASK)

        assert fast.status == slow.status
        assert fast.body.replace(fast.request_id.encode(), b"") == slow.body.replace(slow.request_id.encode(), b"")
        assert fast.headers == slow.headers


def test_fast_path_after_logout_returns_401(app: Flask) -> None:
    tokens = UserFactory(app).create_verified().login_ok()
    assert not get_profile(app, tokens["token"]).is_by_flask
    app.test_client().post("/auth/logout", headers=bearer(tokens["token"]))

    assert get_profile(app, tokens["token"]).status == "401 UNAUTHORIZED"
    assert post_refresh(app, tokens["refresh_token"]).status == "401 UNAUTHORIZED"


def test_refresh_token_reuse_is_handled_by_flask(app: Flask) -> None:
    first = UserFactory(app).create_verified().login_ok()["refresh_token"]
    fast = post_refresh(app, first)
    replay = post_refresh(app, first)
    third = post_refresh(app, app.json.loads(fast.body)["refresh_token"])

    assert (fast.is_by_flask, replay.is_by_flask, third.is_by_flask) == (False, True, False)
    assert app.json.loads(fast.body)["refresh_token"] == app.json.loads(replay.body)["refresh_token"]
    assert post_refresh(app, first).status == "401 UNAUTHORIZED"
    assert single_event(app, "refresh_token_reused").session_id == int(first.partition(".")[0])


def test_rate_limit_counts_fast_path_and_flask_alike(make_app: MakeApp) -> None:
    app = make_app(RATE_LIMIT_FACTOR="0.01")  # 6 per minute
    first = UserFactory(app).create_verified().login_ok()["refresh_token"]
    token, responses = first, []
    for _ in range(3):
        responses += [post_refresh(app, token), post_refresh(app, token)]  # Flask handles the replay
        token = app.json.loads(responses[-1].body)["refresh_token"]
    limited = post_refresh(app, token)

    assert [response.status for response in responses] == ["200 OK"] * 6
    assert [response.is_by_flask for response in responses] == [False, True] * 3
    assert limited.status == "429 TOO MANY REQUESTS"
    assert int(limited.headers["Retry-After"]) > 0


def test_fast_path_log_line_equals_flask(make_app: MakeApp) -> None:
    with redirect_stderr(LogCapture()) as log_capture:
        app = make_app()
        token = UserFactory(app).create_verified().login_ok()["token"]
        headers = {"X-Request-ID": "mine-1", "X-Forwarded-For": CLIENT_IP}
        get_profile(app, token, **headers)
        get_profile(app, token, **headers, **FORCE_FLASK)

    fast, slow = [line for line in log_capture.events_named("request") if line["request_id"] == "mine-1"]
    assert (fast["route"], fast["ip"], fast["status"]) == (PROFILE, CLIENT_IP, 200)
    varying = {"ms", "timestamp"}
    assert {**fast, **dict.fromkeys(varying)} == {**slow, **dict.fromkeys(varying)}


def test_fast_path_is_off_with_a_custom_after_request_hook(make_app: MakeApp) -> None:
    app = make_app()

    @app.after_request
    def sign(response: Response) -> Response:
        response.headers["X-Signed"] = "yes"
        return response

    token = UserFactory(app).create_verified().login_ok()["token"]

    assert [get_profile(app, token).headers.get("X-Signed") for _ in range(2)] == ["yes"] * 2


def test_fast_path_is_off_with_a_custom_view(make_app: MakeApp) -> None:
    app = make_app()
    app.view_functions["profile.get_profile"] = lambda: Response("custom")
    token = UserFactory(app).create_verified().login_ok()["token"]

    assert get_profile(app, token).body == b"custom"


def test_fast_path_is_off_while_a_signal_is_connected(app: Flask) -> None:
    token = UserFactory(app).create_verified().login_ok()["token"]
    with connected_listener(app) as signals:
        assert get_profile(app, token).is_by_flask
        assert signals == ["request"]

    assert not get_profile(app, token).is_by_flask


@pytest.mark.parametrize(
    ("delay", "error", "status"),
    [
        (0, PoolTimeout(), "200 OK"),
        (0, RuntimeError(), "200 OK"),
        (MAX_DATABASE_WAIT + 0.1, PoolTimeout(), "503 SERVICE UNAVAILABLE"),
    ],
)
def test_fast_path_error_falls_back_to_flask_or_503(app: Flask, delay: float, error: Exception, status: str) -> None:
    def fail(_environ: dict[str, Any]) -> None:
        time.sleep(delay)
        raise error

    app.wsgi_app = partial(Flask.wsgi_app, app)  # type: ignore[method-assign]
    app.wsgi_app = FastPathMiddleware(app, {("GET", PROFILE): fail})  # type: ignore[method-assign, arg-type]
    token = UserFactory(app).create_verified().login_ok()["token"]

    assert get_profile(app, token).status == status


def test_fast_path_cors_vary_header_equals_flask(make_app: MakeApp) -> None:
    app = make_app(CORS_ORIGINS="https://app.example.com")
    token = UserFactory(app).create_verified().login_ok()["token"]
    fast, slow = get_profile(app, token), get_profile(app, token, **FORCE_FLASK)

    assert (fast.is_by_flask, fast.headers) == (False, slow.headers)
    assert fast.headers["Vary"] == "Accept-Language, Origin"
