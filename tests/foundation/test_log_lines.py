"""Logs: one JSON line an event, and nothing in them that opens a door or names a person."""

import logging
from collections.abc import Iterator
from contextlib import redirect_stderr

import pytest
import structlog
from flask import Flask
from tests.conftest import MakeApp
from tests.journal import Journal
from tests.people import HERE, Mailbox, People, bearer, network

from flaskauth.foundation import log
from flaskauth.foundation.http import public
from flaskauth.sessions.devices import _digest

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

HOSTILE = 'x"} \x1b[31m{"event":"forged","level":"info"}\u2028\u0085\x7f'


@pytest.fixture
def journal() -> Iterator[Journal]:
    with redirect_stderr(Journal()) as found:
        yield found


@pytest.fixture
def app(journal: Journal, make_app: MakeApp) -> Flask:
    """Made after the journal was opened, so that it writes there."""
    return make_app()


def live_through_everything(app: Flask) -> list[str]:
    """A life in which something of each kind happens; what nobody may read of it."""
    people, mailbox = People(app), Mailbox(app)
    verification_id = people.pending(country="NG")
    code = mailbox.code("grace@example.com")
    people.client.post("/auth/verify", json={"otp": "BBBB-BBBB", "verification_id": verification_id})
    people.client.post("/auth/verify", json={"otp": code, "email": "grace@example.com"})
    person = people.joined("ada@example.com")
    person.sign_in("a wrong guess")
    first = person.signed_in()
    for _ in range(2):
        second = people.client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]}).get_json()
    third = people.client.post("/auth/refresh", json={"refresh_token": second["refresh_token"]}).get_json()
    people.client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    people.client.post("/auth/logout", headers=bearer(third["token"]))
    people.client.get(f"/users/profile?token={first['token']}", headers=bearer("a-forged-token"))
    macs = [tokens["refresh_token"].split(".")[2] for tokens in (first, second, third)]
    jwts = [tokens["token"].split(".")[2] for tokens in (first, second, third)]
    device = first["device_token"]
    return [
        person.password,
        "a wrong guess",
        code,
        code.replace("-", ""),
        "BBBB",
        verification_id,
        device,
        *macs,
        *jwts,
    ]


def test_every_line_is_an_object_that_says_when_and_what(app: Flask, journal: Journal) -> None:
    live_through_everything(app)

    for line in journal.lines():
        assert {"event", "level", "timestamp"} <= set(line)
    names = {line["event"] for line in journal.lines()}
    assert {"request", "mail", "account_created", "sign_in", "sign_in_failed", "refresh_token_reused"} <= names


def test_nothing_in_them_opens_a_door_or_names_a_person(app: Flask, journal: Journal) -> None:
    secrets = live_through_everything(app)
    told = journal.getvalue()

    assert [secret for secret in secrets if secret in told] == []
    assert _digest(secrets[6]).hex() not in told
    for name in ("grace@example.com", "ada@example.com", "Hopper", "Grace"):
        assert name not in told


def test_every_line_of_a_request_carries_its_id(app: Flask, journal: Journal) -> None:
    app.test_client().post(
        "/auth/login", headers={"X-Request-ID": "mine-1"}, json={"email": "a@b.com", "password": "x"}
    )

    assert [line["request_id"] for line in journal.of("sign_in_failed")] == ["mine-1"]
    [line] = [line for line in journal.of("request") if line["request_id"] == "mine-1"]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/auth/login", 401)


def test_nobody_can_forge_a_line(app: Flask, journal: Journal) -> None:
    headers = {
        "User-Agent": HOSTILE.encode("utf-8").decode("latin-1"),
        "X-Request-ID": 'a","event":"forged',
        **network(HERE),
    }
    body = {"email": "grace\n{}@example.com", "password": HOSTILE, "first_name": HOSTILE, "last_name": HOSTILE}
    client = app.test_client()
    client.post("/auth/register", json=body, headers=headers)
    client.post("/auth/login", json={"email": "grace@example.com", "password": HOSTILE}, headers=headers)
    client.get("/forged\r\n{}/%0a%0d", headers={**headers, "X-Forwarded-For": 'a"\x1b[0m'})

    assert journal.of("forged") == []
    assert len(journal.of("request")) == 3
    assert "\x1b" not in journal.getvalue()
    assert all(line["request_id"] != headers["X-Request-ID"] for line in journal.of("request"))


def test_what_flasks_own_server_says_is_not_coloured(app: Flask, journal: Journal) -> None:
    logging.getLogger("werkzeug").info("\x1b[31mWARNING\x1b[0m\n * Running on http://%s", "127.0.0.1:5000")

    assert journal.lines()[-1]["event"] == "WARNING\n * Running on http://127.0.0.1:5000"


def test_a_long_value_is_cut(app: Flask, journal: Journal) -> None:
    structlog.get_logger().info("long", what="x" * 10**6)

    assert len(journal.of("long")[0]["what"]) == 1000


def test_an_accident_says_where_and_not_with_what(app: Flask, journal: Journal) -> None:
    @app.get("/crash")
    @public
    def crash() -> dict[str, str]:
        raise RuntimeError("INSERT INTO users VALUES ('grace@example.com')")

    answer = app.test_client().get("/crash")
    [line] = journal.of("accident")

    assert answer.status_code == 500
    assert (line["exception"], line["level"]) == ("RuntimeError", "error")
    assert line["where"][-1].endswith(" crash")
    assert "INSERT" not in journal.getvalue() + answer.text
    assert line["request_id"] == answer.get_json()["request_id"]


@pytest.mark.parametrize("name", ["password", "new_password", "token", "access_token", "otp", "authorization", "email"])
def test_what_is_called_a_secret_is_hidden(app: Flask, journal: Journal, name: str) -> None:
    structlog.get_logger().info("careless", **{name: "the value"})

    assert journal.of("careless")[0][name] == "[hidden]"
    assert "the value" not in journal.getvalue()


def test_libraries_write_the_same_lines(app: Flask, journal: Journal) -> None:
    try:
        int("grace@example.com")
    except ValueError:
        logging.getLogger("some.library").exception("it %s", "failed\nhere")
    [line] = journal.of("it failed\nhere")

    assert (line["level"], line["exception"]) == ("error", "ValueError")
    assert "grace@example.com" not in journal.getvalue()


def test_an_address_is_shown_in_outline(app: Flask, journal: Journal) -> None:
    structlog.get_logger().info("outline", whose=log.masked("grace@example.com"))

    assert journal.of("outline")[0]["whose"] == "g***@example.com"
