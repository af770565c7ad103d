"""What joining says: messages, codes and shapes."""

import base64
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.inside import recorded, refused
from tests.people import THERE, Mailbox, People, form
from tests.registration.asking import DOORS, GRACE_AT, NOT_IT, WRONG, attempt, register, verify

from flaskauth.foundation import clock

DONE = {"status": "Success", "success": True}
FAILED = "Failed to verify account, Invalid OTP Code"


def test_who_asks_to_join_gets_an_id_that_nobody_can_guess_and_nothing_else(app: Flask, client: FlaskClient) -> None:
    answer = register(client)
    body = answer.get_json()

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert len(base64.urlsafe_b64decode(body.pop("verification_id") + "==")) == 16
    assert body == {
        **DONE,
        "message": "Registration Successful, check your email for OTP code to verify your account",
    }
    recorded(app, "registration_opened")


def test_the_mail_says_who_asked_and_has_the_code_alone_on_its_line(people: People, mailbox: Mailbox) -> None:
    before = clock.now()
    asked = attempt(people, at=THERE)
    [mail] = mailbox.all()

    assert (mail["to"], mail["subject"]) == (GRACE_AT, "Account Verification on Flaskauth")
    assert asked.code in mail["text"].splitlines()
    assert asked.code in mail["html"]
    for fact in ("Grace Hopper", THERE, before.strftime("%Y-%m-%d %H:")):
        assert fact in mail["text"], fact


@pytest.mark.parametrize("door", DOORS)
def test_the_right_code_proves_the_address_at_every_door(app: Flask, people: People, door: str) -> None:
    asked = attempt(people)
    answer = verify(people.client, asked.code, **asked.door(door))

    assert answer.status_code == 200
    assert answer.get_json() == {**DONE, "message": "Verification Successful! Login to your account"}
    assert recorded(app, "account_created").user_id


@pytest.mark.parametrize("door", DOORS)
def test_a_wrong_code_is_refused_in_the_same_words_at_every_door(app: Flask, people: People, door: str) -> None:
    asked = attempt(people)
    answer = verify(people.client, NOT_IT, **asked.door(door))

    assert refused(answer) == WRONG
    assert set(answer.get_json()) == {"status", "success", "message", "code", "request_id"}
    assert answer.get_json()["message"] == FAILED
    assert recorded(app, "wrong_code").details == {"purpose": "registration"}


def test_asking_again_says_when_it_may_be_asked_again(client: FlaskClient) -> None:
    verification_id = register(client).get_json()["verification_id"]
    body = client.post("/auth/resend", json={"verification_id": verification_id}).get_json()

    assert body == {**DONE, "message": "If a code is due, it is on its way", "retry_after": 60}


def test_a_used_code_is_wrong_at_every_door(people: People) -> None:
    asked = attempt(people)
    assert verify(people.client, asked.code, verification_id=asked.id).status_code == 200

    assert [refused(verify(people.client, asked.code, **asked.door(door))) for door in DOORS] == [WRONG] * 3


def test_an_expired_code_is_wrong_at_every_door(people: People) -> None:
    asked = attempt(people)
    clock.travel(timedelta(minutes=10))

    assert [refused(verify(people.client, asked.code, **asked.door(door))) for door in DOORS] == [WRONG] * 3


def test_a_code_opens_nobody_elses_door(people: People) -> None:
    mine, theirs = attempt(people), attempt(people, "ada@example.com")

    for door in ("by id", "by email"):
        assert refused(verify(people.client, mine.code, **theirs.door(door))) == WRONG
    assert verify(people.client, mine.code, **mine.door("by id")).status_code == 200


def test_an_id_that_was_never_given_opens_nothing(people: People) -> None:
    asked = attempt(people)

    for unknown in ("A" * 22, "AAAA", "not base64!", asked.id + "A"):
        assert refused(verify(people.client, asked.code, verification_id=unknown)) == WRONG


def test_a_code_is_brought_to_one_door_and_asked_for_at_one(client: FlaskClient) -> None:
    both = {"verification_id": "A" * 22, "email": GRACE_AT}

    for path, body in (("/auth/verify", {"otp": NOT_IT, **both}), ("/auth/resend", both), ("/auth/resend", {})):
        answer = client.post(path, json=body)
        assert refused(answer) == (422, "invalid_input")
        assert list(answer.get_json()["errors"]) == ["verification_id"]


def test_the_account_is_of_whoever_joined_and_where_they_live(people: People) -> None:
    ada = {"first_name": "Ada", "last_name": "Lovelace", "country": "gb"}
    asked = attempt(people, "ada@example.com", **ada)
    verify(people.client, asked.code, verification_id=asked.id)
    body = {"email": asked.email, "password": form()["password"]}
    user = people.client.post("/auth/login", json=body).get_json()["user"]

    assert (user["first_name"], user["last_name"], user["is_verified"]) == ("Ada", "Lovelace", True)
    assert (user["country_id"], user["country"]["code"]) == (826, "GB")
