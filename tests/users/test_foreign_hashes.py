"""Passwords that other applications hashed open their accounts as they were typed, and are hashed anew by that."""

from contextlib import suppress
from functools import partial

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from tests.inside import change, hashes, refused, rows, together
from tests.login.guessing import WRONG_ONE, strange_network
from tests.passwords import asking
from tests.passwords.asking import NEW
from tests.people import PASSWORD, People, Person
from tests.users.hashes import KINDS, SAMPLES, made_of, of_argon2, of_bcrypt, of_wordpress

from flaskauth.accounts.models import User
from flaskauth.foundation import foreign_hashes

TODAYS = "$argon2id$v=19$m=19456,t=2,p=1$"
TYPED = "fünf grüne ﬂöße ①"
ANY_LETTERS = "fünf grüne flöße 1"
# Each would keep a processor, or the memory, for long.
COSTLY = {
    "argon2 passes": "$argon2id$v=19$m=65536,t=4000000000,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
    "argon2 memory": "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
    "argon2 lanes": "$argon2id$v=19$m=65536,t=1,p=10000$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
    "bcrypt": f"$2b$31${'.' * 53}",
    "bcrypt-sha256": f"$bcrypt-sha256$v=2,t=2b,r=20${'.' * 22}${'.' * 31}",
    "pbkdf2": "$pbkdf2-sha256$4294967295$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g",
    "pbkdf2 beyond any number": f"pbkdf2_sha256${'9' * 100}$salt$aGFzaA==",
    "phpass": f"$P$S{'.' * 30}",
    "scrypt": "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g",
    "scrypt in parallel": "$scrypt$ln=14,r=8,p=100000$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g",
    "django scrypt": f"scrypt$1073741824$salt$8$1${'a' * 88}",
    "werkzeug scrypt": f"scrypt:1073741824:8:1$salt${'a' * 128}",
    "werkzeug pbkdf2": f"pbkdf2:sha256:4294967295$salt${'a' * 64}",
}


def imported(app: Flask, people: People, hashed: str) -> Person:
    """Somebody whose row came from elsewhere."""
    grace = people.joined()
    change(app, update(User).values(password=hashed))
    return grace


def stored(app: Flask) -> str:
    [found] = rows(app, select(User.password))
    return str(found)


@pytest.mark.parametrize("what", SAMPLES)
def test_each_kind_signs_in_and_is_of_todays_kind_then(app: Flask, people: People, what: str) -> None:
    grace = imported(app, people, SAMPLES[what])
    assert refused(grace.sign_in("not the password")) == WRONG_ONE
    assert stored(app) == SAMPLES[what]

    assert grace.sign_in().status_code == 200
    renewed = stored(app)
    assert renewed.startswith(TODAYS)
    assert grace.sign_in().status_code == 200
    assert stored(app) == renewed
    assert refused(grace.sign_in("not the password")) == WRONG_ONE


@pytest.mark.parametrize("what", SAMPLES)
def test_each_kind_is_known_by_name_and_taken_in(what: str) -> None:
    assert foreign_hashes.name(SAMPLES[what]) == KINDS[what]
    assert foreign_hashes.complaint(SAMPLES[what]) is None


def test_letters_outside_ascii_are_compared_as_they_were_typed() -> None:
    for what, (_kind, hashed) in made_of(TYPED).items():
        assert foreign_hashes.matches(TYPED, hashed), what
        assert not foreign_hashes.matches(ANY_LETTERS, hashed), what


def test_argon2_is_compared_as_typed_and_in_any_letters(app: Flask, people: People) -> None:
    """Nobody can tell whether such a hash is ours of another year, made after NFKC, or somebody else's."""
    grace = imported(app, people, of_argon2(TYPED))
    assert grace.sign_in(TYPED).status_code == 200

    change(app, update(User).values(password=of_argon2(ANY_LETTERS)))
    assert grace.sign_in(TYPED).status_code == 200


def test_what_bcrypt_left_out_counts_again_after_the_first_sign_in(app: Flask, people: People) -> None:
    long = "ü" * 40
    grace = imported(app, people, of_bcrypt(long.encode()[:72]))

    assert refused(grace.sign_in("ü" * 35 + "x")) == WRONG_ONE
    assert grace.sign_in(long).status_code == 200
    assert refused(grace.sign_in("ü" * 36)) == WRONG_ONE
    assert grace.sign_in(long).status_code == 200


def test_wordpress_leaves_out_white_space_around_a_password() -> None:
    hashed = of_wordpress(PASSWORD)

    assert foreign_hashes.matches(f" {PASSWORD}\n", hashed)
    assert not foreign_hashes.matches(PASSWORD.replace(" ", ""), hashed)


def test_wordpress_makes_this_hash() -> None:
    """With the key wp-sha384, over the whole password, and bcrypt of the Base64 of it: longer ones differ too."""
    assert foreign_hashes.matches("x" * 100, of_wordpress("x" * 100))
    assert not foreign_hashes.matches("x" * 99, of_wordpress("x" * 100))


@pytest.mark.parametrize("what", COSTLY)
def test_no_hash_may_ask_for_much_work(app: Flask, people: People, what: str) -> None:
    assert foreign_hashes.complaint(COSTLY[what]) == "asks for too much work"
    grace = imported(app, people, COSTLY[what])
    before = hashes(app)

    assert refused(grace.sign_in()) == WRONG_ONE
    assert (stored(app), hashes(app) - before) == (COSTLY[what], 1)


@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_a_broken_hash_is_no_hash_or_another_password(what: str, data: st.DataObject) -> None:
    """Whatever the libraries think of it; what is not compared gets the equal work of a hash of nobody."""
    whole = SAMPLES[what]
    place = data.draw(st.integers(0, len(whole) - 1))
    broken = whole[:place] + data.draw(st.sampled_from(["", "$", "=", "/", "é", "\0", "9", "z"])) + whole[place + 1 :]
    with suppress(ValueError):
        assert foreign_hashes.matches(PASSWORD, broken) in {True, False}


@pytest.mark.parametrize("what", ["bcrypt 2b", "django pbkdf2_sha256", "argon2i"])
def test_a_change_of_the_password_wins_over_the_new_hash(app: Flask, people: People, what: str) -> None:
    grace = people.joined()
    token = grace.signed_in()["token"]
    change(app, update(User).values(password=SAMPLES[what]))
    with_the_old = [partial(Person(app.test_client(), grace.email).sign_in, at=strange_network()) for _ in range(4)]
    *answers, done = together(
        [*with_the_old, partial(asking.change, app.test_client(), token, PASSWORD, at=strange_network())]
    )

    # Whoever of the two was first, the password is the new one once the change says so.
    assert {answer.status_code for answer in answers} <= {200, 401, 503}
    right = NEW if done.status_code == 200 else PASSWORD
    assert grace.sign_in(right, at=strange_network()).status_code == 200
    assert stored(app).startswith(TODAYS)
    if done.status_code == 200:
        assert refused(grace.sign_in(PASSWORD, at=strange_network())) == WRONG_ONE
