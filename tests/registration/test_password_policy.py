"""The password policy: which passwords are accepted, and that a rejected one has no side effects."""

import hashlib
import time
import unicodedata

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.registration.helpers import register, registration_errors, unused_ip
from tests.support.db_snapshot import table_contents
from tests.support.inspect import error_of, hash_count
from tests.support.users import GRACE, UserFactory

from flaskauth.accounts import password_policy

RANDOM = "kX9#vQ2m"
WIDE = "".join(chr(0x20000 + number * 9973 % 40000) for number in range(256))  # 4 bytes each
LONG = hashlib.shake_256(b"any").hexdigest(128)[:255]
FULLWIDTH = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in "abcdefghijklmnopqrstuvwxyz"})
SHORT, COMMON, GUESSABLE = "Must be at least", "most common", "too easy to guess"

STRONG_PASSWORDS = (
    RANDOM,
    "correct horse battery staple",
    "  spaces around  ",
    "пять зелёных чайников",
    "🗝🔒🚪🪟🧹🪣🧺🛁",
    LONG + "!",
    WIDE,
)
WEAK_PASSWORDS = {
    "kX9#vQ2": SHORT,
    "e\u0301e\u0300e\u0302o\u0301": SHORT,
    "password": COMMON,
    "PASSWORD": COMMON,
    "Password1": COMMON,
    "password".translate(FULLWIDTH): COMMON,
    "aaaaaaaaaaaaaaaa": GUESSABLE,
    "12345678901": GUESSABLE,
    "P4$$w0rd!": GUESSABLE,
    "qwertyuiop[]": GUESSABLE,
    "gracehopper": GUESSABLE,
    "HOPPER-1906": GUESSABLE,
    "admiralty1": GUESSABLE,
    "navyyard1": GUESSABLE,
    "admiralty@navyyard.example": GUESSABLE,
    "flaskauth1": GUESSABLE,
}
USER_DATA = {"email": "admiralty@navyyard.example", "first_name": "Grace", "last_name": "Hopper"}


def test_unicode_password_of_8_to_256_characters_is_accepted(users: UserFactory) -> None:
    for number, password in enumerate(STRONG_PASSWORDS):
        user = users.create_verified(f"p{number}@example.com", unused_ip(), password=password)
        assert user.login().status_code == 200, password


def test_weak_password_is_rejected_without_side_effects(app: Flask, client: FlaskClient) -> None:
    before, hashes_before = table_contents(app), hash_count(app)
    for password, reason in WEAK_PASSWORDS.items():
        response = register(client, at=unused_ip(), **{**USER_DATA, "password": password})
        assert error_of(response) == (422, "weak_password"), password
        [(field, [message])] = response.get_json()["errors"].items()
        assert (field, reason in message) == ("password", True), password

    assert (table_contents(app), hash_count(app)) == (before, hashes_before)


def test_words_of_user_data_are_weak_only_for_that_user(client: FlaskClient) -> None:
    for password in ("admiralty1", "navyyard1"):
        assert register(client, at=unused_ip(), password=f"{password} kettle").status_code == 200


def test_invalid_password_is_rejected_before_hashing(app: Flask, client: FlaskClient) -> None:
    before, hashes_before = table_contents(app), hash_count(app)
    for password in ("", LONG + "12", "kX9#\x00vQ2m", "x" * 60_000, 12345678, None, ["kX9#vQ2m"], True):
        assert list(registration_errors(client, password=password)) == ["password"]
        body = {"email": GRACE["email"], "password": password}
        assert error_of(client.post("/auth/login", json=body)) == (422, "validation_failed")

    assert (table_contents(app), hash_count(app)) == (before, hashes_before)


def test_login_compares_every_password_character(users: UserFactory) -> None:
    grace = users.create_verified(password=LONG)

    assert grace.login(LONG[:-1] + "\u00e4").status_code == 401
    assert grace.login(LONG[:-1]).status_code == 401
    assert grace.login(LONG + " ").status_code == 401
    assert grace.login(LONG).status_code == 200


def test_password_unicode_is_nfkc_normalized(users: UserFactory) -> None:
    grace = users.create_verified(password="fünf grüne ﬂöße ①")

    assert grace.login(unicodedata.normalize("NFD", "fünf grüne flöße 1")).status_code == 200
    assert grace.login("funf grune floße 1").status_code == 401


def test_password_min_length_is_configurable(make_app: MakeApp) -> None:
    client = make_app(PASSWORD_MIN_LENGTH="15").test_client()

    response = register(client, password="kX9#vQ2m-w7Tz!")
    assert error_of(response) == (422, "weak_password")
    assert response.get_json()["errors"] == {"password": ["Must be at least 15 characters long."]}
    assert register(client, password="kX9#vQ2m-w7Tz!R").status_code == 200


@pytest.mark.parametrize("password", ["4@8({[<369&#!|1/0+%$5?7*2" * 3, "4@!1$58302974" * 6, "ab" * 128, "1/1/" * 64])
def test_password_strength_check_takes_under_one_second(password: str) -> None:
    """A slow strength check would let an attacker exhaust the CPU with few requests."""
    password_policy._estimate_guesses("a warm-up", [])
    started = time.thread_time()
    password_policy._estimate_guesses(password, ["grace"])

    assert time.thread_time() - started < 1
