"""What sign-in hears and says."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from tests.inside import change, hashes, recorded, refused, rows
from tests.login.guessing import WRONG_ONE, strange_network
from tests.people import HERE, PASSWORD, People, network

from flaskauth.accounts.models import User
from flaskauth.foundation import clock
from flaskauth.foundation.clock import stamp
from flaskauth.foundation.hashing import _HASHES
from flaskauth.sessions.models import Session

UNREADABLE = [
    None,
    "",
    "seven green kettles",
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$",
    "$argon2id$v=19$m=19456,t=2,p=1$bm90$YmFzZTY0!!",
    "$argon2id$v=99$m=1,t=1,p=1$bm9ib2R5bm9ib2R5bm9ibw$ytaH46meWY8lmL7GvISeF34nSYdizucq0l76z3Y8lWA",
    "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
]
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def sign_in(client: FlaskClient, **body: Any) -> tuple[int, str]:
    return refused(client.post("/auth/login", json=body))


def test_a_right_password_opens_a_session(people: People) -> None:
    welcome = people.joined(country="NG").sign_in().get_json()

    assert set(welcome) == {
        "status", "success", "message", "token", "refresh_token", "expired_at", "device_token", "user"
    }  # fmt: skip
    assert (welcome["status"], welcome["success"]) == ("Success", True)
    assert welcome["message"] == "Login Successful, Welcome Back"
    assert re.fullmatch(r"\d+\.1\.[\w-]{43}", welcome["refresh_token"])
    assert welcome["token"].count(".") == 2


def test_it_says_who_signed_in(people: People) -> None:
    user = people.joined(country="NG").signed_in()["user"]

    assert MOMENT.fullmatch(user["created_at"])
    assert 0 < user["id"] < 2**53
    del user["created_at"], user["id"]
    assert user == {
        "email": "grace@example.com",
        "first_name": "Grace",
        "last_name": "Hopper",
        "avatar": None,
        "country_id": 566,
        "country": {"id": 566, "name": "Nigeria", "code": "NG"},
        "is_verified": True,
        "updated_at": None,
    }


def test_the_session_ends_two_weeks_later_if_it_is_not_used(people: People) -> None:
    before = clock.now()
    told = datetime.fromisoformat(people.joined().signed_in()["expired_at"])

    assert timedelta(days=14, seconds=-1) <= told - before <= timedelta(days=14, minutes=1)


def test_the_earlier_end_is_told(make_app: Any) -> None:
    person = People(make_app(REFRESH_TOKEN_DURATION="60")).joined()

    assert person.signed_in()["expired_at"] <= stamp(clock.now() + timedelta(hours=1))


def test_the_address_is_compared_without_case(people: People) -> None:
    people.joined("Grace@example.com")

    answer = people.client.post("/auth/login", json={"email": "gRACE@eXAMPLE.COM", "password": PASSWORD})
    assert answer.get_json()["user"]["email"] == "Grace@example.com"


def test_one_password_typed_on_two_keyboards_is_the_same(people: People) -> None:
    person = people.joined(password="sieben grüne Kessel")

    assert person.sign_in("sieben gru\u0308ne Kessel").status_code == 200


def test_everything_that_failed_has_one_answer(people: People) -> None:
    person = people.joined()
    people.pending("pending@example.com")
    answers = [
        person.sign_in("wrong"),
        *(
            people.client.post("/auth/login", json={"email": email, "password": PASSWORD}, headers=network(HERE))
            for email in ("pending@example.com", "nobody@example.com")
        ),
    ]

    assert {refused(answer) for answer in answers} == {WRONG_ONE}
    assert {answer.get_json()["message"] for answer in answers} == {
        "Login failed! Invalid email or password. If you have just registered, enter the code from the mail first."
    }
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {
        'Bearer realm="flaskauth", error="wrong_credentials"'
    }


def test_a_person_whose_proof_was_taken_back_cannot_sign_in(app: Flask, people: People) -> None:
    person = people.joined()
    change(app, update(User).values(is_verified=False))

    assert refused(person.sign_in()) == WRONG_ONE


def test_a_hash_that_cannot_be_read_lets_nobody_in(app: Flask, people: People) -> None:
    person, before = people.joined(), hashes(app)
    for kept in UNREADABLE:
        change(app, update(User).values(password=kept))
        assert refused(person.sign_in(kept or "x", at=strange_network())) == WRONG_ONE

    assert hashes(app) - before == len(UNREADABLE)


def test_a_hash_of_other_costs_is_read_all_the_same(app: Flask, people: People) -> None:
    person = people.joined()
    cheap = _HASHES.current_hasher._hasher.__class__(1, 1024, 1).hash(PASSWORD)  # type: ignore[attr-defined]
    change(app, update(User).values(password=cheap))

    assert person.sign_in().status_code == 200


@ON_SQLITE
def test_a_password_without_end_costs_nothing(app: Flask, client: FlaskClient) -> None:
    before = hashes(app)

    assert sign_in(client, email="grace@example.com", password="x" * 257) == (422, "invalid_input")
    assert sign_in(client, email="grace@example.com", password="\U0001f600" * 257) == (422, "invalid_input")
    assert sign_in(client, email="grace@example.com", password="x" * 2**20) == (413, "too_large")
    assert hashes(app) == before


def test_256_characters_are_compared(people: People) -> None:
    person = people.joined(password="k" + "seven green kettles " * 12 + "and nine blue o")
    assert len(person.password) == 256

    assert person.sign_in(person.password[:-1] + "u").status_code == 401
    assert person.sign_in().status_code == 200


def test_a_password_does_not_grow_old(people: People) -> None:
    """Nobody is made to change one that is good: people then take weaker ones (ASVS 6.2.10, NIST SP 800-63B-4)."""
    person = people.joined()
    clock.travel(timedelta(days=20 * 365))

    assert person.sign_in().status_code == 200


def test_an_address_is_taken_by_the_letter(people: People) -> None:
    people.joined()
    for pattern in ("%@example.com", "_race@example.com", "gr%@example.com"):
        answer = people.client.post("/auth/login", json={"email": pattern, "password": PASSWORD})
        assert refused(answer) == WRONG_ONE


@ON_SQLITE
def test_what_is_missing_or_unknown_is_said_by_name(client: FlaskClient) -> None:
    answer = client.post("/auth/login", json={"email": "not an address", "remember": True})

    assert refused(answer) == (422, "invalid_input")
    assert answer.get_json()["errors"] == {
        "email": ["Invalid Email!"],
        "password": ["password is required!"],
        "remember": ["Unknown field."],
    }


@ON_SQLITE
@pytest.mark.parametrize("email", [["a@example.com", "b@example.com"], {"$ne": ""}, 7, True, None, "", "a@b c.com"])
def test_two_addresses_or_none_are_refused(client: FlaskClient, email: Any) -> None:
    assert sign_in(client, email=email, password=PASSWORD) == (422, "invalid_input")


def test_each_sign_in_is_a_session_of_its_own(app: Flask, people: People) -> None:
    person = people.joined()
    first, second = person.signed_in(), person.signed_in()

    assert first["refresh_token"].split(".")[0] != second["refresh_token"].split(".")[0]
    assert len({session.nonce for session in rows(app, select(Session))}) == 2


def test_the_trail_says_who_signed_in_and_from_where(app: Flask, people: People) -> None:
    person = people.joined()
    person.sign_in("wrong")
    welcome = person.signed_in()

    failed, opened = recorded(app, "sign_in_failed"), recorded(app, "sign_in")
    assert (failed.user_id, failed.session_id, failed.ip) == (welcome["user"]["id"], None, HERE)
    assert (opened.user_id, opened.session_id) == (failed.user_id, int(welcome["refresh_token"].split(".")[0]))


def test_somebody_else_may_take_the_same_password(people: People) -> None:
    grace, ada = people.joined(), people.joined("ada@example.com")

    assert grace.signed_in()["user"]["id"] != ada.signed_in()["user"]["id"]
