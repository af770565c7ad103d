"""Whoever asks about an address learns nothing of it: not from an answer, and not from the work behind it."""

from collections.abc import Callable
from datetime import timedelta
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

STRANGER = "eleven blue lanterns"
Ask = Callable[[FlaskClient, str, str], TestResponse]


def _post(path: str, body: dict[str, str]) -> Ask:
    def ask(client: FlaskClient, email: str, at: str) -> TestResponse:
        headers = {**network(at), "X-Request-ID": "the-same"}
        return client.post(path, json={**body, "email": email}, headers=headers)

    return ask


# The pauses between asking again and again, and what throttles in the end: a mail that is withheld, or 429.
CALLS: dict[str, tuple[Ask, list[int], int]] = {
    "register": (_post("/auth/register", form(password=STRANGER, first_name="Mallory")), [0, 0, 60, 120, 240], 200),
    "verify": (_post("/auth/verify", {"otp": NOT_IT}), [0] * 6, 429),
    "resend": (_post("/auth/resend", {}), [0, 60, 120, 240, 480], 200),
    "login": (_post("/auth/login", {"password": PASSWORD + "?"}), [0] * 6, 429),
}


@pytest.fixture
def addresses(people: People) -> list[str]:
    """One that nobody asked about, one that is being proven, one of an account, one of an account and a decoy."""
    states = [f"{state}@example.com" for state in ("unknown", "pending", "account", "decoyed")]
    people.joined(states[2])
    people.joined(states[3])
    for email in (states[1], states[3]):
        people.pending(email, THERE, password="nine tall ladders")
    return states


def told(answer: TestResponse) -> tuple[Any, ...]:
    """What can be seen of an answer, but for what is random in it and the second in which a wait began."""
    body = {name: value for name, value in answer.get_json().items() if name != "verification_id"}
    wait = body.pop("retry_after", 0)
    return answer.status_code, body, wait // 10, sorted(answer.headers.keys()), answer.headers["Content-Length"]


def seen(app: Flask, ask: Callable[[], TestResponse]) -> tuple[Any, ...]:
    """What can be seen of an answer and what it cost. Which budgets an address has depends on what was asked before."""
    before, hashed = counts(app, but=["budgets"]), hashes(app)
    answer = ask()
    return told(answer), written(before, counts(app, but=["budgets"])), hashes(app) - hashed


@pytest.mark.parametrize("call", CALLS)
def test_known_unknown_pending_and_decoy_are_answered_alike_throttled_or_not(
    app: Flask, client: FlaskClient, addresses: list[str], call: str
) -> None:
    ask, pauses, throttled = CALLS[call]
    places = {email: elsewhere() for email in addresses}
    for pause in pauses:
        clock.travel(timedelta(seconds=pause))
        alike = [seen(app, lambda email=email: ask(client, email, places[email])) for email in addresses]  # type: ignore[misc]
        assert alike == [alike[0]] * len(addresses), pause
    assert alike[0][0][0] == throttled


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_says_nothing_of_whether_somebody_is_there(client: FlaskClient, people: People, call: str) -> None:
    email = people.joined().email
    answer = CALLS[call][0](client, email, elsewhere())

    for word in (email, "exist", "already", "Grace", "user"):
        assert word not in answer.text
    assert "Set-Cookie" not in answer.headers
