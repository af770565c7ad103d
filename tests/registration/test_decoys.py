"""Somebody registers with the address of an account: only the owner learns of it."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from tests.email_change.asking import moved
from tests.inside import hashes, recorded, refused, rows
from tests.people import ELSEWHERE, HERE, THERE, Mailbox, People
from tests.registration.asking import (
    DOORS,
    GRACE_AT,
    NOT_IT,
    WRONG,
    Attempt,
    attempt,
    code_behind,
    elsewhere,
    register,
    resend,
    verify,
    wrong_tries,
)
from tests.tables import counts, mails_sent, settle, written

from flaskauth.accounts.models import User
from flaskauth.foundation import clock

OTHER = {"password": "eleven blue lanterns", "first_name": "Mallory", "last_name": "Intruder"}
NEW = "ada@example.com"


def cost_of(app: Flask, people: People, email: str) -> tuple[dict[str, int], int]:
    """The rows and hashes of somebody asking to join, from a network that never asked for anything."""
    before, hashed = counts(app), hashes(app)
    assert register(people.client, email, elsewhere(), **OTHER).status_code == 200
    return written(before, counts(app)), hashes(app) - hashed


def test_it_writes_the_same_rows_and_costs_the_same_hash(app: Flask, people: People) -> None:
    people.joined()
    people.pending(NEW)

    cost = {"one_time_codes": 1, "registrations": 1, "outbox": 1, "audit_events": 1, "budgets": 1}, 1
    assert cost_of(app, people, GRACE_AT) == cost_of(app, people, NEW) == cost
    assert recorded(app, "registration_known").ip


def test_the_owner_is_told_who_tried_and_gets_no_code(people: People, mailbox: Mailbox) -> None:
    people.joined()
    register(people.client, at=THERE, **OTHER)
    mail = mailbox.wait(2)[0]

    assert (mail["to"], mail["subject"].lower()) == (GRACE_AT, "you already have an account on flaskauth")
    assert THERE in mail["text"]
    assert "Mallory" not in mail["text"] + mail["html"]
    with pytest.raises(AssertionError):
        mailbox.code(GRACE_AT)


def test_the_notice_goes_to_the_form_that_was_proven_and_a_code_to_the_form_that_was_typed(
    people: People, mailbox: Mailbox
) -> None:
    typed = attempt(people, "Grace.Hopper@example.com")
    assert verify(people.client, typed.code).status_code == 200
    register(people.client, "GRACE.hopper@EXAMPLE.com", **OTHER)

    assert [mail["to"] for mail in mailbox.wait(2)] == ["Grace.Hopper@example.com"] * 2


def decoy(app: Flask, people: People) -> Attempt:
    """An attempt for the address of an account, and the code that nobody was sent."""
    people.joined()
    answer = register(people.client, at=THERE, **OTHER)
    verification_id = answer.get_json()["verification_id"]
    settle(app)
    return Attempt(verification_id, code_behind(app, verification_id))


def test_no_door_takes_its_code(app: Flask, people: People) -> None:
    theirs = decoy(app, people)

    assert len(theirs.code) == len(NOT_IT)
    assert [refused(verify(people.client, theirs.code, **theirs.door(door))) for door in DOORS] == [WRONG] * 3
    assert len(rows(app, select(User))) == 1


def everything_told(people: People, email: str, verification_id: str) -> list[Any]:
    """What who opened an attempt can learn by asking."""
    client, told = people.client, list[Any]()
    for wait in (0, 60, 120):
        clock.travel(timedelta(seconds=wait))
        told.append(resend(client, THERE, verification_id=verification_id))
        told.append(resend(client, THERE, email=email))
    told.append(register(client, email, THERE, **OTHER).get_json()["verification_id"] == verification_id)
    told.append(wrong_tries(client, 6, THERE, verification_id=verification_id))
    told.append(wrong_tries(client, 6, THERE, email=email))
    left = verify(client, NOT_IT, THERE, verification_id=verification_id).get_json()["retry_after"]
    told.append(round(left / 3600, 1))
    told.append(register(client, email, THERE, **OTHER).get_json()["verification_id"] == verification_id)
    return told


def test_its_tries_and_waits_are_those_of_any_attempt(app: Flask, people: People) -> None:
    theirs = everything_told(people, GRACE_AT, decoy(app, people).id)
    genuine = everything_told(people, NEW, people.pending(NEW, THERE, **OTHER))

    shut = [401] * 5 + [429]
    assert theirs == genuine == [60, 60, 120, 60, 240, 60, True, shut, shut, 23.9, False]


def test_once_the_address_is_nobodys_its_owner_joins_with_the_same_password(app: Flask, people: People) -> None:
    change = moved(app)  # Grace's account has another address now, which is taken back
    first = register(people.client, change.email, password=OTHER["password"]).get_json()["verification_id"]
    settle(app)
    change.undo.followed(people.client)
    settle(app)

    asked = attempt(people, change.email, password=OTHER["password"])
    assert asked.id != first
    assert verify(people.client, asked.code, verification_id=asked.id).status_code == 200


def test_it_is_never_mailed_again(app: Flask, people: People) -> None:
    theirs = decoy(app, people)
    before = mails_sent(app)
    for wait in (60, 120):
        clock.travel(timedelta(seconds=wait))
        resend(people.client, ELSEWHERE, verification_id=theirs.id)
        resend(people.client, HERE, email=GRACE_AT)

    assert mails_sent(app) == before
