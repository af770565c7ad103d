"""Several people say that one address is theirs: the code decides, and nobody gets another's password."""

from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from tests.inside import change, refused, rows, together, within
from tests.people import PASSWORD, THERE, People, Person
from tests.registration.asking import (
    CONTESTED,
    DOORS,
    GRACE_AT,
    WRONG,
    Attempt,
    attempt,
    register,
    resend,
    verify,
    wrong_tries,
)
from tests.tables import mails_sent

from flaskauth.accounts.models import User
from flaskauth.codes import derive
from flaskauth.codes.models import OneTimeCode
from flaskauth.foundation import clock, crypto
from flaskauth.foundation.db import db
from flaskauth.registration.models import Registration

THEIRS = "eleven blue lanterns"
# Two rows whose codes are one under the tests' secret, found by trying a million nonces for each.
TWINS = {b"twin number one.": 975_202, b"twin number two.": 273_637}


def two_attempts(people: People) -> tuple[Attempt, Attempt]:
    """Grace's own, and a stranger's for her address."""
    return attempt(people), attempt(people, at=THERE, password=THEIRS, first_name="Mallory")


def sign_in(client: FlaskClient, password: str) -> int:
    return Person(client, GRACE_AT).sign_in(password).status_code


@pytest.mark.parametrize("door", ["by email", "alone"])
def test_without_its_id_the_right_code_is_asked_which_it_is_and_a_wrong_one_learns_nothing(
    people: People, door: str
) -> None:
    mine, theirs = two_attempts(people)

    assert wrong_tries(people.client, 1, **mine.door(door)) == [401]
    assert refused(verify(people.client, mine.code, **mine.door(door))) == CONTESTED
    assert refused(verify(people.client, theirs.code, **mine.door(door))) == CONTESTED


@pytest.mark.parametrize("first", [0, 1])
def test_by_id_each_proves_the_address_for_its_own_password(people: People, first: int) -> None:
    both = two_attempts(people)
    assert verify(people.client, both[first].code, verification_id=both[first].id).status_code == 200

    assert [sign_in(people.client, password) for password in (PASSWORD, THEIRS)] == [[200, 401], [401, 200]][first]
    other = both[1 - first]
    assert [refused(verify(people.client, other.code, **other.door(door))) for door in DOORS] == [WRONG] * 3


def test_what_a_stranger_planted_never_becomes_hers(people: People) -> None:
    attempt(people, at=THERE, password=THEIRS, first_name="Mallory", country="KP", locale="ko")
    mine = attempt(people)
    assert verify(people.client, mine.code, verification_id=mine.id).status_code == 200

    assert sign_in(people.client, THEIRS) == 401
    user = Person(people.client, GRACE_AT).signed_in()["user"]
    assert (user["first_name"], user["country"]) == ("Grace", None)


def test_who_opened_an_attempt_that_another_ended_cannot_tell(people: People) -> None:
    """Else somebody could wait for the day on which an address joins."""
    theirs = attempt(people, at=THERE, password=THEIRS)
    untouched = attempt(people, "ada@example.com", at=THERE, password=THEIRS)
    mine = attempt(people)
    assert verify(people.client, mine.code, verification_id=mine.id).status_code == 200

    opened = (theirs, untouched)
    again = [register(people.client, each.email, THERE, password=THEIRS).get_json() for each in opened]
    assert [answer["verification_id"] for answer in again] == [each.id for each in opened]
    clock.travel(timedelta(seconds=60))
    before = mails_sent(people.client.application)
    assert [resend(people.client, THERE, verification_id=each.id) for each in opened] == [120, 120]
    assert mails_sent(people.client.application) == before + 1
    for each in opened:
        assert wrong_tries(people.client, 6, THERE, verification_id=each.id) == [401] * 5 + [429]


def test_an_attempt_whose_code_has_expired_stands_in_nobodys_way(people: People) -> None:
    attempt(people, at=THERE, password=THEIRS)
    clock.travel(timedelta(minutes=10))
    mine = attempt(people)

    assert verify(people.client, mine.code).status_code == 200


def test_of_two_attempts_that_are_proven_at_once_one_becomes_the_account(app: Flask, people: People) -> None:
    both = two_attempts(people)
    uses = [partial(verify, app.test_client(), each.code, verification_id=each.id) for each in both * 4]
    statuses = [answer.status_code for answer in together(uses)]

    assert statuses.count(200) == 1
    assert set(statuses) == {200, 401}
    assert len(rows(app, select(User))) == 1


def test_two_live_rows_with_one_code_are_both_refused_without_an_id(app: Flask, people: People) -> None:
    """Nobody can tell whose it is; it happens once in 280,000,000,000 pairs."""
    grace, ada = attempt(people), attempt(people, "ada@example.com")
    code, same = (become(app, each, twin_id) for each, twin_id in zip((grace, ada), TWINS, strict=True))
    assert code == same

    assert refused(verify(people.client, code)) == WRONG
    assert verify(people.client, code, email=ada.email).status_code == 200
    assert verify(people.client, code).status_code == 200


def become(app: Flask, asked: Attempt, twin_id: bytes) -> str:
    """Give an attempt the rows of one of the twins; its code."""
    now_id = crypto.decode(asked.id)
    change(app, update(Registration).where(Registration.id == now_id).values(id=twin_id))
    change(app, update(OneTimeCode).where(OneTimeCode.id == now_id).values(id=twin_id))
    return within(app, lambda: _with_nonce(twin_id))


def _with_nonce(twin_id: bytes) -> str:
    row = db.session.get_one(OneTimeCode, twin_id)
    row.nonce = TWINS[twin_id].to_bytes(32, "big")
    [code] = derive.candidates(row)
    row.lookup = derive.lookups(row.purpose, code)[0]
    return code
