"""Which passwords are taken, and that what is refused leaves nothing behind."""

import hashlib
import time
import unicodedata

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.inside import hashes, refused
from tests.people import GRACE, People
from tests.registration.asking import elsewhere, errors_of, register
from tests.tables import contents

from flaskauth.accounts import passwords

RANDOM = "kX9#vQ2m"
WIDE = "".join(chr(0x20000 + number * 9973 % 40000) for number in range(256))  # 4 bytes each
LONG = hashlib.shake_256(b"any").hexdigest(128)[:255]
FULLWIDTH = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in "abcdefghijklmnopqrstuvwxyz"})
SHORT, COMMON, GUESSABLE = "Must be at least", "most used", "too easy to guess"

GOOD = (
    RANDOM,
    "correct horse battery staple",
    "  spaces around  ",
    "пять зелёных чайников",
    "🗝🔒🚪🪟🧹🪣🧺🛁",
    LONG + "!",
    WIDE,
)
WEAK = {
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
ABOUT = {"email": "admiralty@navyyard.example", "first_name": "Grace", "last_name": "Hopper"}


def test_any_letters_of_8_to_256_characters_sign_in(people: People) -> None:
    for number, password in enumerate(GOOD):
        person = people.joined(f"p{number}@example.com", elsewhere(), password=password)
        assert person.sign_in().status_code == 200, password


def test_what_is_easy_to_guess_is_refused_with_the_reason_and_leaves_nothing_behind(
    app: Flask, client: FlaskClient
) -> None:
    before, hashed = contents(app), hashes(app)
    for password, reason in WEAK.items():
        answer = register(client, at=elsewhere(), **{**ABOUT, "password": password})
        assert refused(answer) == (422, "weak_password"), password
        [(field, [sentence])] = answer.get_json()["errors"].items()
        assert (field, reason in sentence) == ("password", True), password

    assert (contents(app), hashes(app)) == (before, hashed)


def test_it_is_as_easy_for_nobody_else(client: FlaskClient) -> None:
    for password in ("admiralty1", "navyyard1"):
        assert register(client, at=elsewhere(), password=f"{password} kettle").status_code == 200


def test_what_is_no_password_is_refused_before_it_is_hashed(app: Flask, client: FlaskClient) -> None:
    before, hashed = contents(app), hashes(app)
    for password in ("", LONG + "12", "kX9#\x00vQ2m", "x" * 60_000, 12345678, None, ["kX9#vQ2m"], True):
        assert list(errors_of(client, password=password)) == ["password"]
        body = {"email": GRACE["email"], "password": password}
        assert refused(client.post("/auth/login", json=body)) == (422, "invalid_input")

    assert (contents(app), hashes(app)) == (before, hashed)


def test_every_letter_counts(people: People) -> None:
    grace = people.joined(password=LONG)

    assert grace.sign_in(LONG[:-1] + "\u00e4").status_code == 401
    assert grace.sign_in(LONG[:-1]).status_code == 401
    assert grace.sign_in(LONG + " ").status_code == 401
    assert grace.sign_in(LONG).status_code == 200


def test_forms_of_one_letter_are_one(people: People) -> None:
    grace = people.joined(password="fünf grüne ﬂöße ①")

    assert grace.sign_in(unicodedata.normalize("NFD", "fünf grüne flöße 1")).status_code == 200
    assert grace.sign_in("funf grune floße 1").status_code == 401


def test_a_longer_minimum_can_be_asked_for(make_app: MakeApp) -> None:
    client = make_app(PASSWORD_MIN_LENGTH="15").test_client()

    short = register(client, password="kX9#vQ2m-w7Tz!")
    assert refused(short) == (422, "weak_password")
    assert short.get_json()["errors"] == {"password": ["Must be at least 15 characters long."]}
    assert register(client, password="kX9#vQ2m-w7Tz!R").status_code == 200


@pytest.mark.parametrize("password", ["4@8({[<369&#!|1/0+%$5?7*2" * 3, "4@!1$58302974" * 6, "ab" * 128, "1/1/" * 64])
def test_no_password_takes_long_to_judge(password: str) -> None:
    """Seconds of work for one request would be a lever."""
    passwords._guesses("a warm-up", [])
    began = time.thread_time()
    passwords._guesses(password, ["grace"])

    assert time.thread_time() - began < 1
