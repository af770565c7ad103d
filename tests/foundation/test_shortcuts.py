"""Shortcuts: whoever asks plainly hears the same as on Flask's road, sooner; whoever does not is Flask's."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from typing import Any

import pytest
from flask import Flask, Response, request_started
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tests.conftest import MakeApp
from tests.inside import recorded
from tests.journal import Journal
from tests.people import HERE, People, bearer
from werkzeug.test import Client

from flaskauth.foundation import server
from flaskauth.foundation.shortcuts import PATIENCE, Shortcuts

PROFILE, REFRESH = "/users/profile", "/auth/refresh"
BY_FLASK = {"Cookie": "theme=dark"}


class Answer:
    """What a request hears, and whether Flask was asked."""

    def __init__(self, app: Flask, path: str, **asked: Any) -> None:
        seen: dict[str, Any] = {}

        def watched(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            seen["environ"] = environ
            return app.wsgi_app(environ, start_response)

        given = Client(watched, use_cookies=False).open(path, environ_base={"REMOTE_ADDR": "127.0.0.1"}, **asked)
        self.status, self.body = given.status, given.data
        self.request_id = given.headers.pop("X-Request-ID")
        self.headers = dict(given.headers)
        self.is_by_flask = server.BEGUN in seen["environ"]


def profile(app: Flask, token: str, **headers: str) -> Answer:
    return Answer(app, PROFILE, headers={**bearer(token), **headers})


def refresh(app: Flask, token: str, **headers: str) -> Answer:
    return Answer(app, REFRESH, method="POST", json={"refresh_token": token}, headers=headers)


@contextmanager
def listening(app: Flask) -> Iterator[list[str]]:
    """Somebody hears of each request, as tracers do."""
    heard: list[str] = []

    def hear(_app: Flask, **_more: object) -> None:
        heard.append("request")

    with request_started.connected_to(hear, app):
        yield heard


@pytest.mark.parametrize("country", ["NG", ""])
def test_a_profile_is_the_same_on_both_roads(app: Flask, country: str) -> None:
    about = {"country": country} if country else {}
    token = People(app).joined(**about).signed_in()["token"]
    short, long = profile(app, token), profile(app, token, **BY_FLASK)

    assert (short.is_by_flask, long.is_by_flask) == (False, True)
    assert (short.status, short.headers, short.body) == (long.status, long.headers, long.body)
    assert short.status == "200 OK"
    assert b"grace@example.com" in short.body


def test_a_profile_is_shown_while_the_account_is_being_closed(app: Flask) -> None:
    person = People(app).joined()
    token = person.signed_in()["token"]
    assert person.client.delete("/users/account", headers=bearer(token)).status_code == 200
    token = person.signed_in()["token"]
    short, long = profile(app, token), profile(app, token, **BY_FLASK)

    assert (short.is_by_flask, long.is_by_flask) == (False, True)
    assert (short.status, short.body) == (long.status, long.body)


def test_the_next_tokens_are_of_the_same_form_on_both_roads(app: Flask) -> None:
    first = People(app).joined().signed_in()
    short = refresh(app, first["refresh_token"])
    traded = app.json.loads(short.body)
    long = refresh(app, traded["refresh_token"], **BY_FLASK)

    assert (short.is_by_flask, long.is_by_flask) == (False, True)
    assert short.headers == {**long.headers, "Content-Length": str(len(short.body))}
    told = {name: value for name, value in traded.items() if "token" not in name}
    assert told == {name: value for name, value in app.json.loads(long.body).items() if "token" not in name}
    assert profile(app, traded["token"]).status == "200 OK"


@pytest.mark.parametrize(
    "special",
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
def test_what_is_not_plain_is_asked_of_flask(app: Flask, special: dict[str, Any]) -> None:
    token = People(app).joined().signed_in()["token"]
    asked = {"path": PROFILE, **special, "headers": {**bearer(token), **special.get("headers", {})}}

    assert Answer(app, **asked).is_by_flask
    assert not profile(app, token).is_by_flask


@pytest.mark.parametrize(
    "body",
    [
        b'{"refresh_token": "%s", "more": 1}',
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
def test_a_body_of_another_form_is_read_by_flask(app: Flask, body: bytes) -> None:
    token = People(app).joined().signed_in()["refresh_token"].encode()
    answer = Answer(app, REFRESH, method="POST", data=body.replace(b"%s", token), content_type="application/json")

    assert answer.is_by_flask
    assert Answer(app, REFRESH, method="POST", data=b'{"refresh_token":"%s"}' % token).is_by_flask  # of no type


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_a_bad_token_is_refused_alike(app: Flask, token: str) -> None:
    People(app).joined()
    for ask in (profile, refresh):
        short, long = ask(app, token), ask(app, token, **BY_FLASK)

        assert short.status == long.status
        assert short.body.replace(short.request_id.encode(), b"") == long.body.replace(long.request_id.encode(), b"")
        assert short.headers == long.headers


def test_an_ended_session_shows_and_trades_nothing(app: Flask) -> None:
    tokens = People(app).joined().signed_in()
    assert not profile(app, tokens["token"]).is_by_flask
    app.test_client().post("/auth/logout", headers=bearer(tokens["token"]))

    assert profile(app, tokens["token"]).status == "401 UNAUTHORIZED"
    assert refresh(app, tokens["refresh_token"]).status == "401 UNAUTHORIZED"


def test_a_token_that_was_traded_is_seen_through_by_flask(app: Flask) -> None:
    first = People(app).joined().signed_in()["refresh_token"]
    short = refresh(app, first)
    again = refresh(app, first)
    third = refresh(app, app.json.loads(short.body)["refresh_token"])

    assert (short.is_by_flask, again.is_by_flask, third.is_by_flask) == (False, True, False)
    assert app.json.loads(short.body)["refresh_token"] == app.json.loads(again.body)["refresh_token"]
    assert refresh(app, first).status == "401 UNAUTHORIZED"
    assert recorded(app, "refresh_token_reused").session_id == int(first.partition(".")[0])


def test_each_request_is_counted_once_whichever_road_it_goes(make_app: MakeApp) -> None:
    app = make_app(REQUEST_LIMITS="0.01")  # six a minute
    first = People(app).joined().signed_in()["refresh_token"]
    token, answers = first, []
    for _ in range(3):
        answers += [refresh(app, token), refresh(app, token)]  # the second is told the same, by Flask
        token = app.json.loads(answers[-1].body)["refresh_token"]
    over = refresh(app, token)

    assert [answer.status for answer in answers] == ["200 OK"] * 6
    assert [answer.is_by_flask for answer in answers] == [False, True] * 3
    assert over.status == "429 TOO MANY REQUESTS"
    assert int(over.headers["Retry-After"]) > 0


def test_the_log_has_the_same_line_of_both(make_app: MakeApp) -> None:
    with redirect_stderr(Journal()) as journal:
        app = make_app()
        token = People(app).joined().signed_in()["token"]
        sent = {"X-Request-ID": "mine-1", "X-Forwarded-For": HERE}
        profile(app, token, **sent)
        profile(app, token, **sent, **BY_FLASK)

    short, long = [line for line in journal.of("request") if line["request_id"] == "mine-1"]
    assert (short["route"], short["ip"], short["status"]) == (PROFILE, HERE, 200)
    told = {"ms", "timestamp"}
    assert {**short, **dict.fromkeys(told)} == {**long, **dict.fromkeys(told)}


def test_an_application_with_hooks_of_its_own_has_them_at_every_request(make_app: MakeApp) -> None:
    app = make_app()

    @app.after_request
    def sign(response: Response) -> Response:
        response.headers["X-Signed"] = "yes"
        return response

    token = People(app).joined().signed_in()["token"]

    assert [profile(app, token).headers.get("X-Signed") for _ in range(2)] == ["yes"] * 2


def test_an_application_with_a_view_of_its_own_has_it_asked(make_app: MakeApp) -> None:
    app = make_app()
    app.view_functions["profile.profile"] = lambda: Response("mine")
    token = People(app).joined().signed_in()["token"]

    assert profile(app, token).body == b"mine"


def test_whoever_listens_to_requests_hears_of_all(app: Flask) -> None:
    token = People(app).joined().signed_in()["token"]
    with listening(app) as heard:
        assert profile(app, token).is_by_flask
        assert heard == ["request"]

    assert not profile(app, token).is_by_flask


@pytest.mark.parametrize(
    ("waits", "error", "status"),
    [
        (0, PoolTimeout(), "200 OK"),
        (0, RuntimeError(), "200 OK"),
        (PATIENCE + 0.1, PoolTimeout(), "503 SERVICE UNAVAILABLE"),
    ],
)
def test_what_a_shortcut_cannot_say_flask_does_unless_the_database_was_long_waited_for(
    app: Flask, waits: float, error: Exception, status: str
) -> None:
    def stumbles(_environ: dict[str, Any]) -> None:
        time.sleep(waits)
        raise error

    app.wsgi_app = partial(Flask.wsgi_app, app)  # type: ignore[method-assign]
    app.wsgi_app = Shortcuts(app, {("GET", PROFILE): stumbles})  # type: ignore[method-assign, arg-type]
    token = People(app).joined().signed_in()["token"]

    assert profile(app, token).status == status


def test_pages_of_other_origins_are_told_of_on_both_roads(make_app: MakeApp) -> None:
    app = make_app(CORS_ORIGINS="https://app.example.com")
    token = People(app).joined().signed_in()["token"]
    short, long = profile(app, token), profile(app, token, **BY_FLASK)

    assert (short.is_by_flask, short.headers) == (False, long.headers)
    assert short.headers["Vary"] == "Origin"
