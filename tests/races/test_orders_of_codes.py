"""Codes and links in one exact order: a try is counted before it is looked at, and what opens opens once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select
from tests.conftest import servers
from tests.email_change.asking import NEW_AT, OVER, Change, Link, link_of, moved, prove, signs_in
from tests.inside import hashes, refused, rows
from tests.login.guessing import HELD, WRONG_ONE, Guesser
from tests.passwords.asking import DOORS as RESET_DOORS
from tests.passwords.asking import NEW, asked_for, reset
from tests.people import HERE, PASSWORD, THERE, People
from tests.races.orders import COMMIT, Point, crossed, interleaved
from tests.recovery.test_nothing_old_opens import ENDS, Before
from tests.registration.asking import DOORS, GRACE_AT, NOT_IT, SPENT, WRONG, Attempt, attempt, verify, wrong_tries
from tests.sessions.holding import Holder
from tests.tables import mails_sent, settle
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.codes.models import OneTimeCode
from flaskauth.foundation import clock
from flaskauth.throttles import service as throttles
from flaskauth.throttles.models import Budget

pytestmark = pytest.mark.parametrize("database", servers(), indirect=True)

WRITES = "^(UPDATE|INSERT|DELETE)"  # the first that a request writes is its try
OPENED = ("UPDATE (one_time_codes|budgets)", COMMIT)  # counted at once, compared, and about to be used up
TOLD = "INSERT INTO audit_events"  # compared, and about to be answered

Act = Callable[[], TestResponse]


def brings(app: Flask, asked: Attempt, door: str) -> Act:
    return partial(verify, app.test_client(), asked.code, **asked.door(door))


@pytest.mark.parametrize("door", DOORS)
def test_a_right_code_that_comes_before_the_last_tries_and_is_counted_after_them_is_refused(
    app: Flask, people: People, door: str
) -> None:
    asked = attempt(people)
    most = 10 if door == "alone" else 5
    wrong = partial(wrong_tries, people.client, most, **asked.door(door))
    answer, told = interleaved(app, WRITES, brings(app, asked, door), wrong)

    assert told == [401] * most
    assert refused(answer) == SPENT
    assert rows(app, select(User)) == []


def test_a_right_password_that_is_counted_after_the_last_tries_is_refused(app: Flask, people: People) -> None:
    people.joined()
    guesser, before = Guesser(app), hashes(app)
    answer, told = interleaved(app, WRITES, partial(guesser.tries, PASSWORD), partial(guesser.fails, 5))

    assert told == [401] * 5
    assert refused(answer) == HELD
    assert hashes(app) == before + 6  # in a wait the hash is made all the same, and compares nothing


@pytest.mark.parametrize("door", DOORS)
def test_a_try_is_in_the_books_before_it_is_answered_and_holds_nobody_up(app: Flask, people: People, door: str) -> None:
    asked = attempt(people)
    wrong = partial(verify, app.test_client(), NOT_IT, **asked.door(door))

    def look() -> tuple[list[int], TestResponse]:
        return counted(app, door), verify(people.client, asked.code, **asked.door(door))

    answer, (books, meanwhile) = interleaved(app, TOLD, wrong, look)
    assert set(books) == {1}
    assert (refused(answer), meanwhile.status_code) == (WRONG, 200)


def counted(app: Flask, door: str) -> list[int]:
    """What the books say of the one try that there was."""
    mails = set(rows(app, select(Budget.key).where(Budget.key.in_(mail_keys()))))
    budgets = rows(app, select(Budget.spent).where(Budget.key.not_in(mails)))
    return list(rows(app, select(OneTimeCode.tries)) if door == "by id" else budgets)


def mail_keys() -> list[bytes]:
    return [throttles.key_of("mail", GRACE_AT, HERE), throttles.key_of("mail", GRACE_AT)]


def test_a_password_is_in_the_books_before_it_is_answered_and_holds_nobody_up(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)

    def look() -> tuple[int, TestResponse]:
        pair = rows(app, select(Budget.spent).where(Budget.key == throttles.key_of(*pair_of(guesser))))
        return pair[0], guesser.tries(PASSWORD)

    answer, (books, meanwhile) = interleaved(app, TOLD, guesser.tries, look)
    assert books == 1
    assert (refused(answer), meanwhile.status_code) == (WRONG_ONE, 200)


def pair_of(guesser: Guesser) -> tuple[str, str, str]:
    return "password pair", guesser.email, guesser.at


@dataclass(frozen=True)
class Race:
    """Two of whom one gets what both want."""

    first: Act
    second: Act
    looked_at: Point = OPENED


def twice_verified(app: Flask, people: People) -> Race:
    asked = attempt(people)
    return Race(brings(app, asked, "by id"), brings(app, asked, "alone"))


def two_attempts(app: Flask, people: People) -> Race:
    first = attempt(people)
    return Race(brings(app, first, "by id"), brings(app, attempt(people, password=NEW), "by id"))


def twice_reset(app: Flask, people: People) -> Race:
    people.joined()
    asked = asked_for(people)
    by_id, by_email = (partial(reset, app.test_client(), asked.code, **asked.door(door)) for door in RESET_DOORS)
    return Race(by_id, by_email)


def two_resets(app: Flask, people: People) -> Race:
    people.joined()
    both = [asked_for(people, at=at) for at in (HERE, THERE)]
    first, second = (partial(reset, app.test_client(), asked.code, reset_id=asked.id) for asked in both)
    return Race(first, second)


def twice_proven(app: Flask, people: People) -> Race:
    change = Change.asked(app, Holder.of(app))
    return Race(proves(app, change), proves(app, change))


def two_movers(app: Flask, people: People) -> Race:
    ada, grace = (Change.asked(app, Holder.of(app, old), NEW_AT, old) for old in ("ada@example.com", GRACE_AT))
    return Race(proves(app, ada), proves(app, grace))


def moves_and_joins(app: Flask, people: People) -> Race:
    change = Change.asked(app, Holder.of(app))
    return Race(proves(app, change), brings(app, attempt(people, NEW_AT), "by id"))


def joins_and_moves(app: Flask, people: People) -> Race:
    race = moves_and_joins(app, people)
    return Race(race.second, race.first)


def twice_disowned(app: Flask, people: People) -> Race:
    person = people.joined()
    person.signed_in(), person.signed_in(at=THERE)
    settle(app)
    link = link_of(next(mail for mail in people.mailbox.all() if "/auth/disown#" in mail["text"]))
    return follows_twice(app, link)


def twice_undone(app: Flask, people: People) -> Race:
    link = moved(app).undo
    return follows_twice(app, link)


def follows_twice(app: Flask, link: Link) -> Race:
    follow = partial(link.followed, app.test_client())
    return Race(follow, partial(link.followed, app.test_client()), "UPDATE links")  # the first that it does


def proves(app: Flask, change: Change) -> Act:
    return partial(prove, app.test_client(), change.holder.token, change.code)


MOVES = [two_movers, moves_and_joins, joins_and_moves]
RACES = [twice_verified, two_attempts, twice_reset, two_resets, twice_proven, twice_disowned, twice_undone, *MOVES]


@pytest.mark.parametrize("race", RACES)
def test_what_was_open_when_it_was_looked_at_opens_once(
    app: Flask, people: People, race: Callable[[Flask, People], Race]
) -> None:
    both = race(app, people)
    late, first = interleaved(app, both.looked_at, both.first, both.second)

    assert first.status_code == 200, first.text
    assert refused(late) in {WRONG, OVER}


@pytest.mark.parametrize("race", MOVES)
def test_an_address_that_two_are_about_to_have_is_got_by_one(
    app: Flask, people: People, race: Callable[[Flask, People], Race]
) -> None:
    both = race(app, people)
    answers = crossed(app, ("users", "UPDATE one_time_codes SET .*used_at="), both.first, both.second)

    assert sorted(answer.status_code for answer in answers) == [200, 401]
    assert len(rows(app, select(User).where(User.address == NEW_AT))) == 1


@pytest.mark.parametrize("end", [end for end in ENDS if end != "reset"])
def test_a_reset_whose_code_was_right_before_the_end_sets_no_password_after_it(before: Before, end: str) -> None:
    asked = asked_for(before.people, at=THERE)
    late = partial(reset, before.app.test_client(), asked.code, reset_id=asked.id, password="eight yellow bicycles")
    answer, done = interleaved(before.app, OPENED, late, ENDS[end](before))

    assert done.status_code == 200
    assert refused(answer) == WRONG
    assert signs_in(before.people, before.email, "eight yellow bicycles") == 401


@pytest.mark.parametrize("end", ENDS)
def test_an_address_whose_code_was_right_before_the_end_is_not_got_after_it(before: Before, end: str) -> None:
    act = ENDS[end](before)
    change = Change.asked(before.app, before.other, "katherine@example.org")
    answer, done = interleaved(before.app, OPENED, proves(before.app, change), act)

    assert done.status_code == 200
    assert refused(answer) == WRONG
    assert rows(before.app, select(User.address)) == [before.email]


def test_a_code_is_mailed_again_once_by_two_who_both_saw_it_due(app: Flask, people: People) -> None:
    asked = attempt(people)
    clock.travel(timedelta(seconds=60))
    sent = mails_sent(app)
    again = partial(app.test_client().post, "/auth/resend", json={"verification_id": asked.id})
    late, first = interleaved(app, "UPDATE one_time_codes", again, again)

    assert [answer.get_json()["retry_after"] for answer in (late, first)] == [pytest.approx(120, abs=5)] * 2
    assert mails_sent(app) == sent + 1
