"""Whoever asks about an address learns nothing of it: not from an answer, and not from the work behind it."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.inside import hashes
from tests.people import PASSWORD, THERE, People, form, network
from tests.registration.asking import NOT_IT, elsewhere
from tests.tables import counts, written
from werkzeug.test import TestResponse

from flaskauth.foundation import clock

Ask = Callable[[FlaskClient, str, str], TestResponse]
STRANGER = form(first_name="Mallory", last_name="Intruder")


def _post(path: str, body: dict[str, str]) -> Ask:
    def ask(client: FlaskClient, email: str, at: str) -> TestResponse:
        headers = {**network(at), "X-Request-ID": "the-same"}
        return client.post(path, json={**body, "email": email}, headers=headers)

    return ask


def _register(password: str) -> Ask:
    return _post("/auth/register", {**STRANGER, "password": password})


PASSWORDS = ("eleven blue lanterns", "seventeen red anvils", "nine tall ladders", "forty small bridges")
VERIFY, RESEND = _post("/auth/verify", {"otp": NOT_IT}), _post("/auth/resend", {})
LOGIN = _post("/auth/login", {"password": PASSWORD + "?"})
FORGOT, RESET = _post("/auth/forgot-password", {}), _post("/auth/reset-password", {"otp": NOT_IT, "password": PASSWORD})

RANDOM = {"verification_id", "reset_id"}

# What is asked one after another, after which pauses, and how it ends: with a mail that is withheld, or with a 429.
STORIES: dict[str, tuple[list[tuple[int, Ask]], int]] = {
    "register again and again": ([(0, _register(password)) for password in PASSWORDS], 200),
    "register once and ask for mail": ([(pause, _register(PASSWORDS[0])) for pause in (0, 0, 60, 120, 240)], 200),
    "verify": ([(0, VERIFY)] * 6, 429),
    "resend": ([(pause, RESEND) for pause in (0, 60, 120, 240, 480)], 200),
    "login": ([(0, LOGIN)] * 6, 429),
    "forget again and again": ([(0, FORGOT)] * 5, 200),
    "reset": ([(0, FORGOT), *[(0, RESET)] * 6], 429),
}


@pytest.fixture
def addresses(people: People) -> list[str]:
    """One that nobody asked about, one that is being proven, one of an account, one of an account and a decoy."""
    states = [f"{state}@example.com" for state in ("unknown", "pending", "account", "decoyed")]
    people.joined(states[2])
    people.joined(states[3])
    for email in (states[1], states[3]):
        people.pending(email, THERE, password="fifty thin candles")
    return states


def told(answer: TestResponse) -> tuple[Any, ...]:
    """What can be seen of an answer, but for what is random in it and the second in which a wait began."""
    body = {name: value for name, value in answer.get_json().items() if name not in RANDOM}
    wait = body.pop("retry_after", 0)
    return answer.status_code, body, round(wait, -2), sorted(answer.headers.keys()), answer.headers["Content-Length"]


def seen(app: Flask, ask: Callable[[], TestResponse]) -> tuple[Any, ...]:
    """What can be seen of an answer and what it cost. Which budgets an address has depends on what was asked before."""
    before, hashed = counts(app, but=["budgets"]), hashes(app)
    answer = ask()
    return told(answer), written(before, counts(app, but=["budgets"])), hashes(app) - hashed


@pytest.mark.parametrize("story", STORIES)
def test_known_unknown_pending_and_decoy_are_answered_alike_throttled_or_not(
    app: Flask, client: FlaskClient, addresses: list[str], story: str
) -> None:
    steps, last = STORIES[story]
    places = {email: elsewhere() for email in addresses}
    for pause, ask in steps:
        clock.travel(timedelta(seconds=pause))
        alike = [seen(app, partial(ask, client, email, at)) for email, at in places.items()]
        assert alike == [alike[0]] * len(addresses)
    assert alike[0][0][0] == last


@pytest.mark.parametrize("ask", [_register(PASSWORDS[0]), VERIFY, RESEND, LOGIN, FORGOT, RESET])
def test_an_answer_says_nothing_of_whether_somebody_is_there(client: FlaskClient, people: People, ask: Ask) -> None:
    email = people.joined().email
    answer = ask(client, email, elsewhere())

    for word in (email, "exist", "already", "Grace", "user"):
        assert word not in answer.text
    assert "Set-Cookie" not in answer.headers
