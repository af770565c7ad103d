"""Ask for the code again: at a growing pace, the same code while it lasts, and only the newest is good."""

from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from tests.inside import refused, together
from tests.people import HERE, THERE, Mailbox, People, code_of
from tests.registration.asking import GRACE_AT, WRONG, Attempt, attempt, elsewhere, resend, verify
from tests.tables import mails_sent, settle

from flaskauth.foundation import clock


def later(**by: int) -> None:
    clock.travel(timedelta(**by))


def test_by_id_it_says_what_is_left_of_a_wait_that_doubles(app: Flask, people: People) -> None:
    asked = attempt(people)
    told, mails = [], []
    for wait in (0, 20, 40, 0, 120, 240, 480):
        later(seconds=wait)
        told.append(resend(people.client, elsewhere(), verification_id=asked.id))
        mails.append(mails_sent(app))

    assert told == [60, 40, 120, 120, 240, 480, 960]
    assert mails == [1, 1, 2, 2, 3, 4, 5]


def test_by_email_it_always_says_60_and_keeps_the_true_wait_to_itself(app: Flask, people: People) -> None:
    attempt(people)
    told, mails = [], []
    for wait in (0, 60, 60, 60, 240):
        later(seconds=wait)
        told.append(resend(people.client, elsewhere(), email=GRACE_AT))
        mails.append(mails_sent(app))

    assert told == [60] * 5
    assert mails == [1, 2, 2, 3, 4]


def test_a_stranger_whose_mails_are_spent_takes_no_turn_of_the_owner(app: Flask, people: People) -> None:
    asked, stranger = attempt(people), elsewhere()
    for wait in (60, 120, 240, 480, 960):
        later(seconds=wait)
        resend(people.client, stranger, email=GRACE_AT)
        settle(app)
    assert mails_sent(app) == 1 + 3  # the first, and what may go to an address for one network in an hour

    assert resend(people.client, verification_id=asked.id) == 960  # its own turn, the next after those
    assert mails_sent(app) == 1 + 3 + 1


def test_who_asks_at_the_same_moment_is_told_the_same_and_one_mail_goes_out(app: Flask, people: People) -> None:
    asked = attempt(people)
    later(seconds=60)
    asks = [partial(resend, app.test_client(), elsewhere(), verification_id=asked.id) for _ in range(6)]

    assert together(asks) == [120] * 6
    assert mails_sent(app) == 2


def resent(people: People, asked: Attempt, count: int = 2) -> str:
    """The code of the mail that comes when it is asked for again."""
    resend(people.client, verification_id=asked.id)
    return code_of(people.mailbox.wait(count, to=asked.email)[0])


def test_while_three_minutes_are_left_it_is_the_same_code(people: People) -> None:
    asked = attempt(people)
    later(minutes=6, seconds=50)

    assert resent(people, asked) == asked.code
    later(minutes=3)
    assert verify(people.client, asked.code, verification_id=asked.id).status_code == 200


@pytest.mark.parametrize("door", ["by id", "by email", "alone"])
def test_then_it_is_a_new_code_and_only_the_newest_is_good(people: People, door: str) -> None:
    asked = attempt(people)
    later(minutes=7, seconds=1)
    newer = resent(people, asked)

    assert newer != asked.code
    assert refused(verify(people.client, asked.code, **asked.door(door))) == WRONG
    assert verify(people.client, newer, **asked.door(door)).status_code == 200


def test_a_new_code_is_good_for_ten_minutes_but_not_past_the_attempts_day(people: People) -> None:
    asked = attempt(people)
    later(hours=23, minutes=55)
    newer = resent(people, asked)

    later(minutes=5)
    assert refused(verify(people.client, newer, verification_id=asked.id)) == WRONG
    assert resend(people.client, verification_id=asked.id) == 60
    assert mails_after_a_day(people) == 2


def mails_after_a_day(people: People) -> int:
    later(hours=1)
    resend(people.client, email=GRACE_AT)
    return mails_sent(people.client.application)


def test_by_email_it_is_the_newest_attempt_of_the_asking_network(people: People, mailbox: Mailbox) -> None:
    first, second = attempt(people, at=HERE), attempt(people, at=HERE, password="nine tall ladders")
    stranger = attempt(people, at=THERE, password="eleven blue lanterns")
    later(seconds=60)

    for at, expected, count in ((HERE, second, 4), (THERE, stranger, 5), (elsewhere(), None, 5)):
        resend(people.client, at, email=GRACE_AT)
        mails = mailbox.wait(count)
        assert len(mails) == count
        if expected:
            assert code_of(mails[0]) == expected.code != first.code


def test_from_another_network_it_is_the_newest_of_all(people: People, mailbox: Mailbox) -> None:
    attempt(people, at=HERE)
    newest = attempt(people, at=THERE, password="eleven blue lanterns")
    later(seconds=60)
    resend(people.client, elsewhere(), email=GRACE_AT)

    assert code_of(mailbox.wait(3)[0]) == newest.code


def test_nothing_follows_once_the_address_is_proven(app: Flask, people: People) -> None:
    asked = attempt(people)
    verify(people.client, asked.code)
    later(minutes=5)

    assert resend(people.client, verification_id=asked.id) == resend(people.client, email=GRACE_AT) == 60
    assert mails_sent(app) == 1
