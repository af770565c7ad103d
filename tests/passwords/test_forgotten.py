"""Who forgot the password sets another with a code from the mail, and nobody else does."""

import base64
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from tests.inside import change, events, recorded, refused, rows
from tests.passwords.asking import DOORS, NEW, WEAK, asked_for, forgot, reset
from tests.people import PASSWORD, THERE, Mailbox, People
from tests.registration.asking import GRACE_AT, NOT_IT, WRONG, attempt, code_behind, verify
from tests.tables import settle

from flaskauth.accounts.models import User
from flaskauth.foundation import clock, jobs
from flaskauth.mail.models import DROPPED, OutboxMail

DONE = {"status": "Success", "success": True}


def test_who_asks_gets_an_id_that_nobody_can_guess_and_nothing_else(app: Flask, people: People) -> None:
    people.joined()
    answer = forgot(people.client)
    body = answer.get_json()

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert len(base64.urlsafe_b64decode(body.pop("reset_id") + "==")) == 16
    assert body == {**DONE, "message": "If this address has an account, a code is on its way"}
    [user_id] = rows(app, select(User.id))
    assert recorded(app, "reset_requested").user_id == user_id


def test_the_mail_says_who_asked_and_has_the_code_alone_on_its_line(people: People, mailbox: Mailbox) -> None:
    people.joined()
    before = clock.now()
    asked = asked_for(people, at=THERE)
    mail = mailbox.all()[0]

    assert (mail["to"], mail["subject"]) == (GRACE_AT, "A new password on flaskauth")
    assert asked.code in mail["text"].splitlines()
    assert asked.code in mail["html"]
    for fact in (THERE, before.strftime("%Y-%m-%d %H:"), "good for 10 minutes"):
        assert fact in mail["text"], fact


@pytest.mark.parametrize("door", DOORS)
def test_the_code_sets_a_new_password_at_either_door(app: Flask, people: People, door: str) -> None:
    grace = people.joined()
    asked = asked_for(people)
    answer = reset(people.client, asked.code, **asked.door(door))

    assert (answer.status_code, answer.get_json()) == (200, {**DONE, "message": "Your password was changed"})
    assert (grace.sign_in(PASSWORD).status_code, grace.sign_in(NEW).status_code) == (401, 200)
    assert recorded(app, "password_reset").user_id == recorded(app, "account_created").user_id


def test_the_password_that_was_forgotten_may_be_chosen_again(people: People) -> None:
    grace = people.joined()
    asked = asked_for(people)

    assert reset(people.client, asked.code, password=PASSWORD, reset_id=asked.id).status_code == 200
    assert grace.sign_in(PASSWORD).status_code == 200


@pytest.mark.parametrize("door", DOORS)
def test_a_wrong_code_is_refused_in_the_same_words_at_either_door(app: Flask, people: People, door: str) -> None:
    grace = people.joined()
    asked = asked_for(people)
    answer = reset(people.client, NOT_IT, **asked.door(door))

    assert refused(answer) == WRONG
    assert "ask for another code" in answer.get_json()["message"]
    assert recorded(app, "wrong_code").details == {"purpose": "reset"}
    assert (grace.sign_in(PASSWORD).status_code, grace.sign_in(NEW).status_code) == (200, 401)


@pytest.mark.parametrize("door", DOORS)
def test_a_code_is_good_once_and_for_ten_minutes(people: People, door: str) -> None:
    people.joined()
    used = asked_for(people)
    assert reset(people.client, used.code, **used.door(door)).status_code == 200
    assert refused(reset(people.client, used.code, **used.door(door))) == WRONG

    late = asked_for(people)
    clock.travel(timedelta(minutes=10))
    assert refused(reset(people.client, late.code, **late.door(door))) == WRONG


@pytest.mark.parametrize("door", DOORS)
def test_a_newer_request_ends_no_older_one_and_using_one_ends_all(people: People, door: str) -> None:
    people.joined()
    older, used, newer = asked_for(people), asked_for(people, at=THERE), asked_for(people)
    assert reset(people.client, used.code, **used.door(door)).status_code == 200

    for other in (older, newer):
        assert [refused(reset(people.client, other.code, **other.door(each))) for each in DOORS] == [WRONG] * 2


def test_a_code_opens_nobody_elses_door(people: People) -> None:
    people.joined()
    ada = people.joined("ada@example.com", THERE)
    mine, theirs = asked_for(people), asked_for(people, ada.email, THERE)

    for door in DOORS:
        assert refused(reset(people.client, mine.code, **theirs.door(door))) == WRONG
    assert ada.sign_in(PASSWORD).status_code == 200


def test_a_code_is_bound_to_what_it_is_for(people: People) -> None:
    people.joined()
    asked, joining = asked_for(people), attempt(people, "ada@example.com")

    assert refused(verify(people.client, asked.code, verification_id=asked.id)) == WRONG
    assert refused(verify(people.client, asked.code)) == WRONG
    assert refused(reset(people.client, joining.code, reset_id=joining.id)) == WRONG
    assert refused(reset(people.client, joining.code, email=joining.email)) == WRONG


def test_the_code_is_brought_to_one_door(client: FlaskClient) -> None:
    for doors in ({}, {"reset_id": "A" * 22, "email": GRACE_AT}):
        answer = reset(client, NOT_IT, **doors)
        assert refused(answer) == (422, "invalid_input")
        assert answer.get_json()["errors"] == {"reset_id": ["Send reset_id or email."]}


@pytest.mark.parametrize("door", DOORS)
def test_a_weak_password_leaves_the_code_and_its_try_unspent(people: People, door: str) -> None:
    grace = people.joined()
    asked = asked_for(people)
    for password in ("grace", "hopper1906", "password", "1234567890", "aaaaaaaaaa", "qwertyuiop", "graceexample"):
        assert refused(reset(people.client, asked.code, password=password, **asked.door(door))) == WEAK, password

    assert grace.sign_in(PASSWORD).status_code == 200
    assert reset(people.client, asked.code, **asked.door(door)).status_code == 200


def test_a_wrong_code_is_told_before_a_weak_password(people: People) -> None:
    people.joined()
    asked = asked_for(people)

    assert refused(reset(people.client, NOT_IT, password="password", reset_id=asked.id)) == WRONG


def test_it_proves_the_address(app: Flask, people: People) -> None:
    grace = people.joined()
    change(app, update(User).values(is_verified=False))
    assert grace.sign_in().status_code == 401
    asked = asked_for(people)
    reset(people.client, asked.code, reset_id=asked.id)

    assert grace.sign_in(NEW).get_json()["user"]["is_verified"] is True


def test_the_code_goes_to_the_address_that_was_proven_however_another_types_it(people: People) -> None:
    people.joined()
    forgot(people.client, "GRACE@EXAMPLE.COM")

    assert {mail["to"] for mail in people.mailbox.wait(2)} == {GRACE_AT}


def test_a_mail_for_nobody_is_born_dropped(app: Flask, client: FlaskClient) -> None:
    app.extensions[jobs.KEY].stop()  # nobody delivers meanwhile
    forgot(client)

    assert rows(app, select(OutboxMail.state)) == [DROPPED]


@pytest.mark.parametrize("then_joins", [False, True])
def test_what_nobody_was_mailed_opens_nothing_and_never_will(app: Flask, people: People, then_joins: bool) -> None:
    reset_id = forgot(people.client).get_json()["reset_id"]
    settle(app)
    assert people.mailbox.all() == []
    if then_joins:
        people.joined()

    code = code_behind(app, reset_id)
    for door in ({"reset_id": reset_id}, {"email": GRACE_AT}):
        assert refused(reset(people.client, code, **door)) == WRONG
    assert events(app, "password_reset") == []
