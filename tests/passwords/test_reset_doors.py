"""Tries of a reset are kept per door, mails per address, and of many who come at once one is let in."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select
from tests.inside import events, refused, rows, together
from tests.passwords.asking import DOORS, NEW, asked_for, forgot, reset, wrong_tries
from tests.people import ELSEWHERE, HERE, PASSWORD, THERE, Mailbox, People
from tests.registration.asking import GRACE_AT, NOT_IT, SPENT, WRONG, code_behind
from tests.registration.asking import wrong_tries as wrong_tries_to_join
from tests.tables import mails_sent

from flaskauth.foundation import clock
from flaskauth.mail.models import WITHHELD, OutboxMail

BURST = 30


def test_by_id_five_are_compared(people: People) -> None:
    people.joined()
    asked = asked_for(people)
    assert wrong_tries(people.client, 5, reset_id=asked.id) == [401] * 5

    late = reset(people.client, asked.code, ELSEWHERE, reset_id=asked.id)
    assert refused(late) == SPENT
    assert 500 < late.get_json()["retry_after"] <= 600
    assert reset(people.client, asked.code, email=GRACE_AT).status_code == 200


def test_by_email_five_are_compared_of_each_network_and_ten_in_all(people: People) -> None:
    people.joined()
    asked = asked_for(people)
    assert wrong_tries(people.client, 6, HERE, email=GRACE_AT) == [401] * 5 + [429]
    assert wrong_tries(people.client, 6, THERE, email=GRACE_AT) == [401] * 5 + [429]

    late = reset(people.client, asked.code, ELSEWHERE, email=GRACE_AT)
    assert refused(late) == SPENT
    assert 3540 < late.get_json()["retry_after"] <= 3600
    assert reset(people.client, asked.code, HERE, reset_id=asked.id).status_code == 200


def test_who_burns_the_tries_of_joining_leaves_those_of_a_reset(people: People) -> None:
    people.joined()
    asked = asked_for(people)
    wrong_tries_to_join(people.client, 6, email=GRACE_AT)

    assert reset(people.client, asked.code, email=GRACE_AT).status_code == 200


def test_a_strangers_request_does_not_stand_in_the_owners_way(people: People) -> None:
    people.joined()
    mine = asked_for(people)
    asked_for(people, at=THERE)

    assert reset(people.client, mine.code, email=GRACE_AT).status_code == 200


@pytest.mark.parametrize("door", DOORS)
def test_a_burst_is_counted_before_anything_is_compared(app: Flask, people: People, door: str) -> None:
    people.joined()
    asked = asked_for(people)
    burst = [partial(reset, app.test_client(), NOT_IT, **asked.door(door)) for _ in range(BURST)]
    told = Counter(answer.status_code for answer in together(burst))

    assert told[401] <= 5
    assert set(told) <= {401, 429, 503}  # a busy machine may send some away
    wrong_tries(people.client, 5 - told[401], **asked.door(door))
    assert refused(reset(people.client, asked.code, **asked.door(door))) == SPENT
    [another] = {*DOORS} - {door}
    assert reset(people.client, asked.code, **asked.door(another)).status_code == 200


@pytest.mark.parametrize("door", DOORS)
def test_of_many_who_bring_one_code_at_once_one_is_let_in(app: Flask, people: People, door: str) -> None:
    grace = people.joined()
    asked = asked_for(people)
    passwords = [f"{NEW} {number}" for number in range(24)]
    uses = [partial(reset, app.test_client(), asked.code, password=each, **asked.door(door)) for each in passwords]
    statuses = [answer.status_code for answer in together(uses)]

    assert Counter(statuses)[200] == 1
    assert set(statuses) <= {200, 401, 429, 503}
    assert len(events(app, "password_reset")) == 1
    assert grace.sign_in(passwords[statuses.index(200)]).status_code == 200


def test_of_two_resets_at_once_one_sets_the_password(app: Flask, people: People) -> None:
    grace = people.joined()
    for _ in range(3):
        both = [asked_for(people, at=at) for at in (HERE, THERE)]
        passwords = [f"{NEW} {asked.id}" for asked in both]
        uses = [
            partial(reset, app.test_client(), asked.code, password=password, reset_id=asked.id)
            for asked, password in zip(both, passwords, strict=True)
        ]
        statuses = [answer.status_code for answer in together(uses)]
        assert sorted(statuses) == [200, 401]
        assert grace.sign_in(passwords[statuses.index(200)]).status_code == 200
        clock.travel(timedelta(hours=1))


def test_a_code_that_was_not_mailed_opens_nothing_and_three_an_hour_are(app: Flask, people: People) -> None:
    people.joined()
    before = mails_sent(app)
    ids = [forgot(people.client, at=THERE).get_json()["reset_id"] for _ in range(4)]

    assert mails_sent(app) == before + 3
    assert len(rows(app, select(OutboxMail).where(OutboxMail.state == WITHHELD))) == 1
    assert refused(reset(people.client, code_behind(app, ids[3]), reset_id=ids[3])) == WRONG
    assert reset(people.client, code_behind(app, ids[2]), reset_id=ids[2]).status_code == 200


def test_registrations_and_resets_share_the_mails_of_an_address(app: Flask, people: People, mailbox: Mailbox) -> None:
    people.joined()
    for word in ("red", "blue"):
        people.pending(at=THERE, password=f"seventeen {word} anvils")
    for _ in range(2):
        forgot(people.client, at=THERE)

    assert mails_sent(app) == 1 + 3
    assert [mail["subject"] for mail in mailbox.all()].count("A new password on flaskauth") == 1


def test_asking_is_limited(people: People) -> None:
    statuses = [forgot(people.client, f"p{number}@example.com").status_code for number in range(11)]

    assert statuses == [200] * 10 + [429]


def test_who_guesses_codes_does_not_lock_the_owner_out_of_the_account(people: People) -> None:
    grace = people.joined()
    wrong_tries(people.client, 12, THERE, email=GRACE_AT)

    assert grace.sign_in(PASSWORD).status_code == 200
