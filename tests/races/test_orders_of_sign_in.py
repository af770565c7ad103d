"""What ends everything that is open wins over a sign-in, at whichever step of it."""

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from tests.conftest import servers
from tests.inside import change, refused, rows
from tests.login.guessing import WRONG_ONE
from tests.passwords.asking import NEW
from tests.people import PASSWORD, Person
from tests.races.orders import COMMIT, crossed, interleaved
from tests.recovery.test_nothing_old_opens import ENDS, Before
from tests.registration.asking import GRACE_AT
from tests.sessions.holding import Holder
from tests.users.hashes import of_bcrypt

from flaskauth.accounts.models import User
from flaskauth.sessions.models import Session

pytestmark = pytest.mark.parametrize("database", servers(), indirect=True)

COMPARED = ("budgets", COMMIT)  # counted at once, then compared, and next to be given back
BEGUN = (COMMIT, "INSERT INTO sessions")
SHUTS = [end for end in ENDS if end != "close"]  # who closes an account may sign in, to take that back


def live(app: Flask) -> int:
    """How many sessions are open."""
    return int(rows(app, select(func.count()).select_from(Session).where(Session.ended_at.is_(None)))[0])


def person(before: Before) -> Person:
    return Person(before.app.test_client(), GRACE_AT)


@pytest.mark.parametrize("end", SHUTS)
def test_a_password_that_was_right_before_the_end_opens_nothing_after_it(before: Before, end: str) -> None:
    answer, done = interleaved(before.app, COMPARED, person(before).sign_in, ENDS[end](before))

    assert done.status_code == 200
    assert refused(answer) == WRONG_ONE
    assert live(before.app) == (1 if end == "change" else 0)


@pytest.mark.parametrize("end", ENDS)
def test_a_session_that_begins_while_the_end_comes_is_ended_with_the_others(before: Before, end: str) -> None:
    answer, done = crossed(before.app, BEGUN, person(before).sign_in, ENDS[end](before))

    assert (answer.status_code, done.status_code) == (200, 200)
    assert Holder(before.people.client, answer.get_json()).is_over()


def test_a_hash_that_is_made_anew_does_not_bring_the_old_password_back(before: Before) -> None:
    change(before.app, update(User).values(password=of_bcrypt(PASSWORD)))
    answer, done = interleaved(before.app, COMPARED, person(before).sign_in, ENDS["reset"](before))

    assert (refused(answer), done.status_code) == (WRONG_ONE, 200)
    assert [person(before).sign_in(password).status_code for password in (PASSWORD, NEW)] == [401, 200]
