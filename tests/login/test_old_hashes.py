"""Passwords that the tutorial's application hashed sign in as they were typed, and are hashed anew by that."""

from functools import partial

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import select, update
from tests.inside import change, hashes, refused, rows, together, within
from tests.login.guessing import WRONG_ONE, strange_network
from tests.people import PASSWORD, People, Person
from werkzeug.security import generate_password_hash

from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.accounts.service import Credentials

METHODS = ("scrypt:32768:8:1", "scrypt:1024:8:1", "pbkdf2:sha256:1000", "pbkdf2:sha1:1000")
TYPED = "fünf grüne ﬂöße ①"
ODD = (
    "",
    "x",
    "scrypt:",
    "scrypt:1:2$a$b",
    "scrypt:3:3:3$a$b",
    "pbkdf2:nothing:1$a$b",
    "pbkdf2:sha256:x$a$b",
    "$argon2",
)


def imported(app: Flask, people: People, stored: str) -> Person:
    """Somebody whose row came from elsewhere."""
    person = people.joined()
    change(app, update(User).values(password=stored))
    return person


def stored(app: Flask) -> str:
    [found] = rows(app, select(User.password))
    return str(found)


@pytest.mark.parametrize("method", METHODS)
def test_a_hash_of_the_tutorial_signs_in_once_and_is_of_todays_kind_then(
    app: Flask, people: People, method: str
) -> None:
    old = generate_password_hash(PASSWORD, method)
    grace = imported(app, people, old)
    assert refused(grace.sign_in("not the password")) == WRONG_ONE
    assert stored(app) == old

    assert grace.sign_in().status_code == 200
    assert stored(app).startswith("$argon2id$")
    before, renewed = hashes(app), stored(app)
    assert grace.sign_in().status_code == 200
    assert (stored(app), hashes(app) - before) == (renewed, 1)
    assert refused(grace.sign_in("not the password")) == WRONG_ONE


def test_it_is_compared_as_it_was_typed_and_from_then_on_in_any_letters(app: Flask, people: People) -> None:
    grace = imported(app, people, generate_password_hash(TYPED, "pbkdf2:sha256:1000"))

    assert refused(grace.sign_in("fünf grüne flöße 1")) == WRONG_ONE
    assert grace.sign_in(TYPED).status_code == 200
    assert grace.sign_in("fünf grüne flöße 1").status_code == 200


def test_a_weaker_hash_of_todays_kind_is_made_anew_too(app: Flask, people: People) -> None:
    grace = imported(app, people, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD))

    assert grace.sign_in().status_code == 200
    assert "m=19456,t=2,p=1" in stored(app)


def test_of_many_first_sign_ins_at_once_none_is_refused(app: Flask, people: People) -> None:
    imported(app, people, generate_password_hash(PASSWORD, "pbkdf2:sha256:1000"))
    many = [partial(Person(app.test_client(), "grace@example.com").sign_in, at=strange_network()) for _ in range(6)]

    assert {answer.status_code for answer in together(many)} <= {200, 503}
    assert stored(app).startswith("$argon2id$")


def test_what_is_no_hash_opens_nothing(app: Flask, people: People) -> None:
    grace = imported(app, people, "x")
    for odd in ODD:
        change(app, update(User).values(password=odd))
        assert refused(grace.sign_in(at=strange_network())) == WRONG_ONE, odd
        assert stored(app) == odd


def test_a_password_that_was_changed_meanwhile_is_not_put_back(app: Flask, people: People) -> None:
    people.joined()
    [user_id] = rows(app, select(User.id))

    assert (
        within(app, lambda: accounts.change_password(Credentials(user_id, "an older hash"), "its successor")) is False
    )
    assert stored(app).startswith("$argon2id$")
