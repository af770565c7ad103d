"""The same password for the same address again is the same attempt."""

import time
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.inside import rows, together
from tests.people import PASSWORD, Mailbox, People
from tests.registration.asking import attempt, elsewhere, register, verify, wrong_tries
from tests.tables import mails_sent
from werkzeug.test import TestResponse

from flaskauth.foundation import clock
from flaskauth.registration.models import Registration


def id_of(answer: TestResponse) -> str:
    assert answer.status_code == 200, answer.text
    found: str = answer.get_json()["verification_id"]
    return found


def test_a_second_click_is_the_same_attempt_and_brings_no_second_mail(app: Flask, client: FlaskClient) -> None:
    first, second = id_of(register(client)), id_of(register(client))

    assert first == second
    assert mails_sent(app) == 1


def test_once_a_resend_is_due_asking_again_mails_the_same_code(people: People, mailbox: Mailbox) -> None:
    asked = attempt(people)
    clock.travel(timedelta(seconds=60))

    again = attempt(people)
    assert (again.id, again.code) == (asked.id, asked.code)


def test_twelve_clicks_at_once_are_one_attempt_and_one_mail(app: Flask) -> None:
    clicks = [partial(click_until_served, app.test_client(), elsewhere()) for _ in range(12)]

    assert len(set(together(clicks))) == 1
    assert len(rows(app, select(Registration))) == 1
    assert mails_sent(app) == 1


def click_until_served(client: FlaskClient, at: str) -> str:
    """Ask to join; a busy server says when to ask again."""
    answer = register(client, at=at)
    while answer.status_code == 503:
        time.sleep(answer.get_json()["retry_after"])
        answer = register(client, at=at)
    return id_of(answer)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"email": "Grace@EXAMPLE.com"}),
        ({}, {"first_name": "Gracie", "country": "NG"}),
        ({"password": "ﬁve o\u0301range kites"}, {"password": "five órange kites"}),
    ],
)
def test_it_is_the_same_however_address_name_and_letters_are_written(
    client: FlaskClient, first: dict[str, str], second: dict[str, str]
) -> None:
    assert id_of(register(client, **first)) == id_of(register(client, **second))


def test_its_mails_go_to_the_form_that_was_typed_first(client: FlaskClient, mailbox: Mailbox) -> None:
    register(client, "Grace@example.com")
    clock.travel(timedelta(seconds=60))
    register(client, "GRACE@example.com")

    assert [mail["to"] for mail in mailbox.wait(2)] == ["Grace@example.com"] * 2


@pytest.mark.parametrize("other", [{"password": PASSWORD + "!"}, {"email": "ada@example.com"}])
def test_another_password_or_address_is_another_attempt(client: FlaskClient, other: dict[str, str]) -> None:
    assert id_of(register(client)) != id_of(register(client, **other))


def test_an_attempt_that_ran_out_of_tries_makes_room_for_a_new_one(people: People) -> None:
    asked = attempt(people)
    wrong_tries(people.client, 5, verification_id=asked.id)
    again = attempt(people)

    assert again.id != asked.id
    assert verify(people.client, again.code, verification_id=again.id).status_code == 200


def test_an_attempt_that_is_a_day_old_makes_room_for_a_new_one(people: People) -> None:
    asked = attempt(people)
    clock.travel(timedelta(hours=24))
    again = attempt(people)

    assert again.id != asked.id
    assert verify(people.client, again.code, verification_id=again.id).status_code == 200


def test_an_attempt_whose_code_expired_is_the_same_with_a_new_code(people: People) -> None:
    asked = attempt(people)
    clock.travel(timedelta(hours=23))
    again = attempt(people)

    assert (again.id == asked.id, again.code == asked.code) == (True, False)
    assert verify(people.client, again.code, verification_id=again.id).status_code == 200
