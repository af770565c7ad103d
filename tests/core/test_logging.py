"""Logs: one JSON line per event, without credentials or personal data."""

import logging
from collections.abc import Iterator
from contextlib import redirect_stderr

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.support.log_capture import LogCapture
from tests.support.users import CLIENT_IP, Mailbox, UserFactory, bearer, forwarded_for

from flaskauth.core.observability import log
from flaskauth.sessions.devices import _digest

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

HOSTILE = 'x"} \x1b[31m{"event":"forged","level":"info"}\u2028\u0085\x7f'


@pytest.fixture
def log_capture() -> Iterator[LogCapture]:
    with redirect_stderr(LogCapture()) as log_capture:
        yield log_capture


@pytest.fixture
def app(log_capture: LogCapture, make_app: MakeApp) -> Flask:
    """Create the application after standard error is replaced, because it opens standard error once."""
    return make_app()


def run_every_flow(app: Flask) -> list[str]:
    """Send requests of every kind, and return the secrets that may not appear in the logs."""
    users, mailbox = UserFactory(app), Mailbox(app)
    verification_id = users.register(country="NG")
    code = mailbox.code("grace@example.com")
    users.client.post("/auth/verify", json={"otp": "BBBB-BBBB", "verification_id": verification_id})
    users.client.post("/auth/verify", json={"otp": code, "email": "grace@example.com"})
    user = users.create_verified("ada@example.com")
    user.login("wrong password")
    first = user.login_ok()
    for _ in range(2):
        second = users.client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]}).get_json()
    third = users.client.post("/auth/refresh", json={"refresh_token": second["refresh_token"]}).get_json()
    users.client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    users.client.post("/auth/logout", headers=bearer(third["token"]))
    users.client.get(f"/users/profile?token={first['token']}", headers=bearer("a-forged-token"))
    macs = [tokens["refresh_token"].split(".")[2] for tokens in (first, second, third)]
    jwts = [tokens["token"].split(".")[2] for tokens in (first, second, third)]
    device = first["device_token"]
    return [
        user.password,
        "wrong password",
        code,
        code.replace("-", ""),
        "BBBB",
        verification_id,
        device,
        *macs,
        *jwts,
    ]


def test_log_line_is_json_with_event_level_timestamp(app: Flask, log_capture: LogCapture) -> None:
    run_every_flow(app)

    for line in log_capture.lines():
        assert {"event", "level", "timestamp"} <= set(line)
    names = {line["event"] for line in log_capture.lines()}
    assert {"request", "mail", "account_created", "sign_in", "sign_in_failed", "refresh_token_reused"} <= names


def test_log_contains_no_secrets_or_personal_data(app: Flask, log_capture: LogCapture) -> None:
    secrets = run_every_flow(app)
    log_text = log_capture.getvalue()

    assert [secret for secret in secrets if secret in log_text] == []
    assert _digest(secrets[6]).hex() not in log_text
    for name in ("grace@example.com", "ada@example.com", "Hopper", "Grace"):
        assert name not in log_text


def test_log_line_carries_the_request_id(app: Flask, log_capture: LogCapture) -> None:
    app.test_client().post(
        "/auth/login", headers={"X-Request-ID": "mine-1"}, json={"email": "a@b.com", "password": "x"}
    )

    assert [line["request_id"] for line in log_capture.events_named("sign_in_failed")] == ["mine-1"]
    [line] = [line for line in log_capture.events_named("request") if line["request_id"] == "mine-1"]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/auth/login", 401)


def test_log_injection_cannot_forge_a_line(app: Flask, log_capture: LogCapture) -> None:
    headers = {
        "User-Agent": HOSTILE.encode("utf-8").decode("latin-1"),
        "X-Request-ID": 'a","event":"forged',
        **forwarded_for(CLIENT_IP),
    }
    body = {"email": "grace\n{}@example.com", "password": HOSTILE, "first_name": HOSTILE, "last_name": HOSTILE}
    client = app.test_client()
    client.post("/auth/register", json=body, headers=headers)
    client.post("/auth/login", json={"email": "grace@example.com", "password": HOSTILE}, headers=headers)
    client.get("/forged\r\n{}/%0a%0d", headers={**headers, "X-Forwarded-For": 'a"\x1b[0m'})

    assert log_capture.events_named("forged") == []
    assert len(log_capture.events_named("request")) == 3
    assert "\x1b" not in log_capture.getvalue()
    assert all(line["request_id"] != headers["X-Request-ID"] for line in log_capture.events_named("request"))


def test_log_long_value_is_truncated(app: Flask, log_capture: LogCapture) -> None:
    log.get_logger("flaskauth.test").info("long", what="x" * 10**6)

    assert len(log_capture.events_named("long")[0]["what"]) == 1000


@pytest.mark.parametrize("name", ["password", "new_password", "token", "access_token", "otp", "authorization", "email"])
def test_log_secret_field_names_are_redacted(app: Flask, log_capture: LogCapture, name: str) -> None:
    log.get_logger("flaskauth.test").info("careless", **{name: "the value"})

    assert log_capture.events_named("careless")[0][name] == "[hidden]"
    assert "the value" not in log_capture.getvalue()


def test_log_library_records_use_the_same_format(app: Flask, log_capture: LogCapture) -> None:
    logging.getLogger("some.library").warning("it %s", "failed\nhere")
    [line] = log_capture.events_named("it failed\nhere")

    assert line["level"] == "warning"


def test_log_email_address_is_masked(app: Flask, log_capture: LogCapture) -> None:
    log.get_logger("flaskauth.test").info("outline", whose=log.mask_email("grace@example.com"))

    assert log_capture.events_named("outline")[0]["whose"] == "g***@example.com"
