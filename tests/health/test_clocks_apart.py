"""A node whose clock is wrong takes itself out, and what it says meanwhile is good for no longer elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from tests.conftest import servers
from tests.people import People

from flaskauth.foundation import clock

TEN_MINUTES = timedelta(minutes=10)  # the life of an access token


@contextmanager
def wrong_by(skew: timedelta) -> Iterator[None]:
    """At a node whose clock is wrong; afterwards at another."""
    clock.travel(skew)
    yield
    clock.travel(-skew)


def profile(client: FlaskClient, token: str) -> int:
    return client.get("/users/profile", headers={"Authorization": f"Bearer {token}"}).status_code


@pytest.mark.parametrize("database", servers(), indirect=True)
@pytest.mark.parametrize("seconds", [-600, -35, -25, 25, 35, 600])
def test_past_30_seconds_from_the_database_it_is_not_ready(client: FlaskClient, seconds: int) -> None:
    with wrong_by(timedelta(seconds=seconds)):
        answer = client.get("/health/ready")

    assert answer.status_code == (503 if abs(seconds) > 30 else 200)
    assert answer.get_json()["checks"]["clock"]["ok"] is (abs(seconds) <= 30)
    assert client.get("/health/ready").status_code == 200


def test_a_token_of_a_node_that_is_ahead_is_refused_until_its_time(client: FlaskClient, people: People) -> None:
    person = people.joined()
    with wrong_by(TEN_MINUTES):
        token = person.signed_in()["token"]

    assert profile(client, token) == 401
    with wrong_by(TEN_MINUTES):
        assert profile(client, token) == 200


def test_a_token_of_a_node_that_is_behind_ends_the_sooner(client: FlaskClient, people: People) -> None:
    clock.travel(timedelta(hours=1))  # since when there is a signing key
    person = people.joined()
    with wrong_by(-TEN_MINUTES / 2):
        token = person.signed_in()["token"]

    assert profile(client, token) == 200
    clock.travel(TEN_MINUTES / 2 + timedelta(seconds=1))
    assert profile(client, token) == 401


def test_a_code_of_a_node_that_is_ahead_lives_longer_by_its_error_at_most(client: FlaskClient, people: People) -> None:
    with wrong_by(TEN_MINUTES):
        door = people.pending("grace@example.com")
        code = people.mailbox.code("grace@example.com")

    clock.travel(2 * TEN_MINUTES + timedelta(seconds=1))
    assert client.post("/auth/verify", json={"otp": code, "verification_id": door}).status_code == 401
