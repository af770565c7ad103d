"""Tries are kept per door: spending one closes that door only, and no burst or restart gives any back."""

from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.inside import refused, together, within
from tests.people import ELSEWHERE, HERE, THERE, Mailbox, People, code_of
from tests.registration.asking import (
    CONTESTED,
    GRACE_AT,
    NOT_IT,
    SPENT,
    WRONG,
    attempt,
    elsewhere,
    resend,
    verify,
    wrong_tries,
)

from flaskauth.codes.doors import ALONE_IN_ALL
from flaskauth.foundation import clock
from flaskauth.foundation.db import db
from flaskauth.throttles import service as throttles
from flaskauth.throttles.models import Budget

BURST = 30
COMPARED = {"by id": 5, "by email": 5, "alone": 10}
A_DAY = 24 * 60 * 60


def test_by_id_five_are_compared(people: People) -> None:
    asked = attempt(people)
    assert wrong_tries(people.client, 5, verification_id=asked.id) == [401] * 5

    late = verify(people.client, asked.code, verification_id=asked.id)
    assert refused(late) == SPENT
    assert A_DAY - 60 < late.get_json()["retry_after"] <= A_DAY
    assert refused(verify(people.client, asked.code, elsewhere(), verification_id=asked.id)) == SPENT
    assert verify(people.client, asked.code, email=GRACE_AT).status_code == 200


def test_by_email_five_are_compared_of_each_network_and_ten_in_all(people: People) -> None:
    asked = attempt(people)
    assert wrong_tries(people.client, 6, HERE, email=GRACE_AT) == [401] * 5 + [429]
    assert wrong_tries(people.client, 6, THERE, email=GRACE_AT) == [401] * 5 + [429]

    late = verify(people.client, asked.code, ELSEWHERE, email=GRACE_AT)
    assert refused(late) == SPENT
    assert 3540 < late.get_json()["retry_after"] <= 3600
    assert verify(people.client, asked.code, HERE, verification_id=asked.id).status_code == 200


def test_by_email_it_opens_again_after_an_hour(people: People, mailbox: Mailbox) -> None:
    attempt(people)
    wrong_tries(people.client, 5, email=GRACE_AT)
    clock.travel(timedelta(hours=1))
    resend(people.client, email=GRACE_AT)
    mailbox.wait(2)

    assert verify(people.client, mailbox.code(GRACE_AT), email=GRACE_AT).status_code == 200


def test_alone_ten_are_compared_of_each_network(people: People) -> None:
    asked = attempt(people)
    assert wrong_tries(people.client, 11) == [401] * 10 + [429]

    assert refused(verify(people.client, asked.code)) == SPENT
    assert refused(verify(people.client, NOT_IT, verification_id=asked.id)) == WRONG
    assert verify(people.client, asked.code, THERE).status_code == 200


def test_alone_past_a_thousand_an_hour_only_codes_asked_for_from_here_are_taken(app: Flask, people: People) -> None:
    stays, moved = attempt(people, at=HERE), attempt(people, "ada@example.com", at=HERE)
    within(app, thousand_tries)

    assert refused(verify(people.client, moved.code, THERE)) == WRONG
    assert verify(people.client, stays.code, HERE).status_code == 200
    clock.travel(timedelta(hours=1))
    moved = attempt(people, "ada@example.com", at=HERE)
    assert verify(people.client, moved.code, THERE).status_code == 200


def thousand_tries() -> None:
    """What a thousand wrong codes of a hundred networks leave behind."""
    share = ALONE_IN_ALL.most // throttles.STRIPES
    for stripe in range(throttles.STRIPES):
        key = throttles.key_of("codes alone registration", stripe)
        db.session.merge(Budget(key=key, spent=share, resets_at=clock.now() + ALONE_IN_ALL.window))


def test_a_thousand_tries_are_a_thousand_whoever_counts_them(app: Flask) -> None:
    allowance = throttles.Allowance(30, timedelta(hours=1))
    granted = within(app, lambda: [throttles.spend_striped("story", allowance) is not None for _ in range(33)])

    assert granted == [True] * 30 + [False] * 3


@pytest.mark.parametrize("door", COMPARED)
def test_a_burst_is_counted_before_anything_is_compared(app: Flask, people: People, door: str) -> None:
    asked = attempt(people)
    burst = [partial(verify, app.test_client(), NOT_IT, **asked.door(door)) for _ in range(BURST)]
    statuses = [answer.status_code for answer in together(burst)]

    assert sorted(statuses) == [401] * COMPARED[door] + [429] * (BURST - COMPARED[door])
    assert refused(verify(people.client, asked.code, **asked.door(door))) == SPENT
    another = asked.door("by email" if door == "by id" else "by id")
    assert verify(people.client, asked.code, **another).status_code == 200


@pytest.mark.parametrize("door", ["by email", "alone"])
def test_a_try_that_was_right_is_given_back(people: People, door: str) -> None:
    asked, _other = attempt(people), attempt(people, at=THERE, password="eleven blue lanterns")
    contested = [refused(verify(people.client, asked.code, **asked.door(door))) for _ in range(COMPARED[door] + 1)]

    assert contested == [CONTESTED] * (COMPARED[door] + 1)


def test_a_sign_up_that_succeeded_leaves_the_doors_of_its_network_as_they_were(people: People) -> None:
    wrong_tries(people.client, 9)
    for email in ("ada@example.com", "barbara@example.com"):
        assert verify(people.client, attempt(people, email).code).status_code == 200

    assert wrong_tries(people.client, 2) == [401, 429]


def test_a_new_code_brings_no_new_tries(people: People, mailbox: Mailbox) -> None:
    asked = attempt(people)
    wrong_tries(people.client, 5, verification_id=asked.id)
    clock.travel(timedelta(minutes=8))
    resend(people.client, verification_id=asked.id)
    newer = code_of(mailbox.wait(2)[0])

    assert newer != asked.code
    assert refused(verify(people.client, newer, verification_id=asked.id)) == SPENT
    assert verify(people.client, newer, email=GRACE_AT).status_code == 200


def test_the_count_outlives_the_process(make_app: MakeApp, people: People) -> None:
    asked = attempt(people)
    for door, compared in COMPARED.items():
        wrong_tries(people.client, compared, **asked.door(door))
    another = make_app().test_client()

    assert [refused(verify(another, asked.code, **asked.door(door))) for door in COMPARED] == [SPENT] * 3


def test_of_many_who_bring_one_code_at_once_one_is_let_in(app: Flask, people: People) -> None:
    asked = attempt(people)
    uses = [partial(verify, app.test_client(), asked.code, verification_id=asked.id) for _ in range(24)]
    statuses = [answer.status_code for answer in together(uses)]

    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 401, 429}
