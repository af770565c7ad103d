"""Over two server processes: what ends a session wins over whoever refreshes, signs in or edits at that moment."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, update
from tests.closing.leaving import orphans
from tests.inside import change
from tests.passwords.asking import NEW
from tests.races.bursts import BUSY, Ask, post, statuses
from tests.races.conftest import Rounds
from tests.races.course import Course, Racer

from flaskauth.accounts.addresses import parse
from flaskauth.accounts.models import User
from flaskauth.closing import erasure
from flaskauth.codes import links
from flaskauth.codes.models import Link
from flaskauth.foundation import clock
from flaskauth.foundation.db import transaction
from flaskauth.sessions.models import Session
from flaskauth.users import service as users

End = tuple[list[Ask], list[Callable[[], object]]]


def signs_out(course: Course, racer: Racer) -> End:
    return [post("/auth/logout", {"refresh_token": racer.tokens.refresh_token}), racer.posts("/auth/logout")], []


def resets(course: Course, racer: Racer) -> End:
    reset_id = course.surely(post("/auth/forgot-password", {"email": racer.email}))["reset_id"]
    body = {"otp": course.code(reset_id), "reset_id": reset_id, "password": NEW}
    return [post("/auth/reset-password", body)], []


def is_disabled(course: Course, racer: Racer) -> End:
    return [], [lambda: transaction(lambda: users.disable(parse(racer.email)))]


def closes(course: Course, racer: Racer) -> End:
    return [Ask("DELETE", "/users/account", token=racer.tokens.token)] * 2, []


def undoes(course: Course, racer: Racer) -> End:
    course.surely(racer.posts("/users/email", {"email": f"new-{racer.email}"}))
    return follows(course, racer)


def disowns(course: Course, racer: Racer) -> End:
    course.here(lambda: links.issue(links.DISOWN, racer.user_id, session_id=racer.session_id))
    return follows(course, racer)


def follows(course: Course, racer: Racer) -> End:
    """Press the button twice."""
    [link_id] = course.rows(select(Link.id).where(Link.user_id == racer.user_id))
    path, _, token = course.here(lambda: links.shown(link_id)).partition("/auth/")[2].partition("#")
    return [post(f"/auth/{path}", {"token": token})] * 2, []


# What one of them costs: a reset hashes.
ENDS = [(signs_out, 20), (resets, 5), (is_disabled, 20), (closes, 20), (undoes, 20), (disowns, 20)]


@pytest.mark.parametrize(("end", "usual"), ENDS)
def test_after_an_end_nothing_is_live_that_was_refreshed_meanwhile(
    course: Course, rounds: Rounds, end: Callable[[Course, Racer], End], usual: int
) -> None:
    for _ in rounds(usual):
        racer = course.racer()
        asks, works = end(course, racer)
        answers = course.burst([*[racer.refreshes()] * 3, *asks, *[racer.refreshes()] * 3], *works)

        assert set(statuses(answers)) <= {200, 401, BUSY}
        for ask in asks[:1]:
            course.ask(ask)  # where it was sent away
        assert course.live(racer.user_id) == 0
        assert course.opened_by(racer, answers) == []


def test_a_refresh_token_is_traded_once_however_many_bring_it(course: Course, rounds: Rounds) -> None:
    for _ in rounds(20):
        racer = course.racer()
        answers = course.burst([racer.refreshes()] * 24)

        told = [answer.body["refresh_token"] for answer in answers if answer.status == 200]
        assert set(statuses(answers)) <= {200, BUSY}
        assert len(set(told)) == 1
        assert list(course.rows(select(Session.generation).where(Session.id == racer.session_id))) == [2]


def test_who_closes_an_account_is_gone_and_so_is_what_others_did_with_it(course: Course, rounds: Rounds) -> None:
    """First it is closed, then erased, while its owner signs in, refreshes and edits."""
    for _ in rounds(4):
        racer = course.racer()
        edit = racer.posts("/users/edit", {"first_name": "Amazing"})
        close = closes(course, racer)[0][0]
        came = course.burst([racer.signs_in(), racer.refreshes(), edit, close, racer.refreshes()])
        course.ask(close)  # where it was sent away
        assert course.opened_by(racer, [came[1], came[4]]) == []

        change(course.app, update(User).where(User.id == racer.user_id).values(closes_at=clock.now()))
        later = course.burst([racer.signs_in(), racer.signs_in()], erase, erase)
        course.beside(erase)
        assert course.opened_by(racer, [*came, *later]) == []
        assert (course.live(racer.user_id), orphans(course.app)) == (0, {})


def erase() -> int:
    return transaction(erasure.purge)
