"""Challenges are valid for one purpose and binding, for 5 minutes, and cannot be altered."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.conftest import SECRET
from tests.passkeys.helpers import settings_app

from flaskauth.core import clock
from flaskauth.passkeys import challenges
from flaskauth.passkeys.challenges import REGISTRATION, SIGN_IN

NEW_SECRET = "Wp4sXv7mQz2kRt9cYb5nLh8dFg3jVa6e"


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    with settings_app().app_context():
        yield


def test_challenge_is_valid_for_its_purpose_and_binding_only() -> None:
    challenge = challenges.issue(REGISTRATION, "17")

    assert challenges.is_valid(challenge, REGISTRATION, "17")
    assert not challenges.is_valid(challenge, SIGN_IN, "17")
    assert not challenges.is_valid(challenge, REGISTRATION, "18")
    assert challenge != challenges.issue(REGISTRATION, "17")


def test_challenge_expires_after_five_minutes() -> None:
    challenge = challenges.issue(SIGN_IN, "")
    clock.travel(timedelta(minutes=4, seconds=50))
    assert challenges.is_valid(challenge, SIGN_IN, "")
    clock.travel(timedelta(seconds=11))
    assert not challenges.is_valid(challenge, SIGN_IN, "")


def test_challenge_with_one_changed_bit_is_invalid() -> None:
    challenge = challenges.issue(SIGN_IN, "")
    changed = [
        bytes(byte ^ (1 << bit if position == index else 0) for position, byte in enumerate(challenge))
        for index in range(len(challenge))
        for bit in range(8)
    ]

    assert not any(challenges.is_valid(value, SIGN_IN, "") for value in changed)
    assert not any(challenges.is_valid(value, SIGN_IN, "") for value in (b"", challenge[:-1], challenge + b"\0"))


def test_challenge_of_a_fallback_secret_is_valid() -> None:
    challenge = challenges.issue(SIGN_IN, "")
    with settings_app(SECRET_KEY=NEW_SECRET, SECRET_KEY_FALLBACKS=SECRET).app_context():
        assert challenges.is_valid(challenge, SIGN_IN, "")
    with settings_app(SECRET_KEY=NEW_SECRET).app_context():
        assert not challenges.is_valid(challenge, SIGN_IN, "")
