"""A password that leaked elsewhere is chosen by nobody here, whichever way it comes, and nothing is spent by trying."""

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.inside import hashes, recorded, refused, shape
from tests.passwords.asking import DOORS, NEW, WEAK, asked_for, change, reset
from tests.passwords.leaked import KNOWN, TOLD, filter_of
from tests.people import PASSWORD, People, Person
from tests.registration.asking import GRACE_AT, elsewhere, register
from tests.tables import contents

ANOTHER = "twelve leaked lighthouses"
FULLWIDTH = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in "abcdefghijklmnopqrstuvwxyz"})


@pytest.fixture
def known(tmp_path: Path) -> Path:
    return filter_of(tmp_path, KNOWN, "fünf grüne ﬂöße ①")


@pytest.fixture
def app(make_app: MakeApp, known: Path) -> Flask:
    return make_app(BREACHED_PASSWORDS=str(known))


def test_nobody_joins_with_it_and_nothing_is_left_behind(app: Flask, client: FlaskClient) -> None:
    before, hashed = contents(app), hashes(app)
    for password in (KNOWN, KNOWN.translate(FULLWIDTH), "fünf grüne flöße 1"):
        answer = register(client, at=elsewhere(), password=password)
        assert refused(answer) == WEAK
        assert answer.get_json()["errors"] == TOLD

    assert (contents(app), hashes(app)) == (before, hashed)
    assert register(client, password=KNOWN.title()).status_code == 200


def test_known_and_unknown_people_are_told_the_same(client: FlaskClient, people: People) -> None:
    people.joined()
    client.environ_base["HTTP_X_REQUEST_ID"] = "one"
    answers = [register(client, email, password=KNOWN) for email in (GRACE_AT, "stranger@example.com")]

    assert shape(answers[0]) == shape(answers[1])


@pytest.mark.parametrize("door", DOORS)
def test_nobody_sets_it_by_a_reset_and_the_code_stays_good(people: People, door: str) -> None:
    grace = people.joined()
    asked = asked_for(people)
    answers = [reset(people.client, asked.code, password=KNOWN, **asked.door(door)) for _ in range(12)]

    assert {refused(answer) for answer in answers} == {WEAK}
    assert grace.sign_in().status_code == 200
    assert reset(people.client, asked.code, **asked.door(door)).status_code == 200
    assert grace.sign_in(NEW).status_code == 200


def test_whether_it_leaked_is_told_to_nobody_without_the_code(people: People) -> None:
    people.joined()
    asked = asked_for(people)

    assert refused(reset(people.client, "BBBB-BBBB", password=KNOWN, reset_id=asked.id)) == (401, "wrong_code")


def test_nobody_changes_to_it_and_the_try_is_given_back(people: People) -> None:
    grace = people.joined()
    token = grace.signed_in()["token"]
    answers = [change(people.client, token, PASSWORD, KNOWN) for _ in range(12)]

    assert {refused(answer) for answer in answers} == {WEAK}
    assert answers[0].get_json()["errors"] == TOLD
    assert change(people.client, token, PASSWORD).status_code == 200


def test_whoever_has_it_already_signs_in_and_gets_rid_of_it(make_app: MakeApp, known: Path) -> None:
    people = People(make_app())
    people.joined(password=KNOWN)
    client = make_app(BREACHED_PASSWORDS=str(known)).test_client()

    signed_in = Person(client, GRACE_AT, KNOWN).signed_in()
    assert change(client, signed_in["token"], KNOWN).status_code == 200


def test_unset_nothing_is_looked_up(make_app: MakeApp) -> None:
    assert register(make_app().test_client(), password=KNOWN).status_code == 200


def test_a_newer_filter_in_its_place_is_looked_up_from_then_on(client: FlaskClient, known: Path) -> None:
    assert register(client, at=elsewhere(), password=ANOTHER).status_code == 200
    filter_of(known.parent, ANOTHER)

    assert refused(register(client, at=elsewhere(), password=ANOTHER)) == WEAK
    assert register(client, at=elsewhere(), password=KNOWN).status_code == 200


@pytest.mark.parametrize("harm", ["gone", "cut short", "overwritten", "a folder"])
def test_a_filter_that_cannot_be_read_any_more_keeps_nobody_out(
    app: Flask, client: FlaskClient, known: Path, harm: str
) -> None:
    whole = known.read_bytes()
    known.unlink()
    if harm == "a folder":
        known.mkdir()
    elif harm != "gone":
        known.write_bytes(whole[:4096] if harm == "cut short" else b"\xff" * len(whole))

    assert register(client, password=KNOWN).status_code == 200
    event = recorded(app, "breach_check_failed")
    assert str(known) not in str(event.details)
    assert event.details["reason"]
