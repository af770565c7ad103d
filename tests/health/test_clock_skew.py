"""A node with a wrong clock fails its readiness check. Its tokens and codes do not live longer on other nodes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from tests.conftest import sql_servers
from tests.support.users import UserFactory

from flaskauth.core import clock

TEN_MINUTES = timedelta(minutes=10)  # the lifetime of an access token


@contextmanager
def clock_skew(skew: timedelta) -> Iterator[None]:
    """Act as a node whose clock is wrong; afterwards as a node with the right time."""
    clock.travel(skew)
    yield
    clock.travel(-skew)


def profile_status(client: FlaskClient, token: str) -> int:
    return client.get("/users/profile", headers={"Authorization": f"Bearer {token}"}).status_code


@pytest.mark.parametrize("database", sql_servers(), indirect=True)
@pytest.mark.parametrize("seconds", [-600, -35, -25, 25, 35, 600])
def test_clock_skew_over_30_seconds_fails_readiness(client: FlaskClient, seconds: int) -> None:
    with clock_skew(timedelta(seconds=seconds)):
        response = client.get("/health/ready")

    assert response.status_code == (503 if abs(seconds) > 30 else 200)
    assert response.get_json()["checks"]["clock"]["ok"] is (abs(seconds) <= 30)
    assert client.get("/health/ready").status_code == 200


def test_jwt_from_clock_ahead_is_rejected_until_issued_at(client: FlaskClient, users: UserFactory) -> None:
    user = users.create_verified()
    with clock_skew(TEN_MINUTES):
        token = user.login_ok()["token"]

    assert profile_status(client, token) == 401
    with clock_skew(TEN_MINUTES):
        assert profile_status(client, token) == 200


def test_jwt_from_clock_behind_expires_earlier(client: FlaskClient, users: UserFactory) -> None:
    clock.travel(timedelta(hours=1))  # the signing key exists by now
    user = users.create_verified()
    with clock_skew(-TEN_MINUTES / 2):
        token = user.login_ok()["token"]

    assert profile_status(client, token) == 200
    clock.travel(TEN_MINUTES / 2 + timedelta(seconds=1))
    assert profile_status(client, token) == 401


def test_otp_from_clock_ahead_lives_longer_only_by_the_skew(client: FlaskClient, users: UserFactory) -> None:
    with clock_skew(TEN_MINUTES):
        verification_id = users.register("grace@example.com")
        code = users.mailbox.code("grace@example.com")

    clock.travel(2 * TEN_MINUTES + timedelta(seconds=1))
    assert client.post("/auth/verify", json={"otp": code, "verification_id": verification_id}).status_code == 401
