"""Accounts and keys in one exact order: nothing is left over, and nobody is answered with an accident."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select
from tests.closing.leaving import close, erase_after, orphans
from tests.conftest import MakeApp, servers
from tests.inside import change, events, refused, rows
from tests.people import bearer
from tests.races.orders import Point, interleaved
from tests.recovery.test_nothing_old_opens import ENDS, Before
from tests.sessions.holding import INVALID, SIGNED_OUT, Holder
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.keys import service as keys
from flaskauth.keys.models import SigningKey
from flaskauth.sessions.models import Session

pytestmark = pytest.mark.parametrize("database", servers(), indirect=True)

Act = Callable[[], TestResponse]


def posts(app: Flask, holder: Holder, path: str, body: dict[str, Any]) -> Act:
    return partial(app.test_client().post, path, json=body, headers=bearer(holder.token))


def edits(app: Flask, holder: Holder) -> Act:
    return posts(app, holder, "/users/edit", {"first_name": "Amazing"})


def asks_for_an_address(app: Flask, holder: Holder) -> Act:
    return posts(app, holder, "/users/email", {"email": "hopper@example.org"})


def refreshes(app: Flask, holder: Holder) -> Act:
    return partial(holder.presents, holder.refresh_token, app=app)


ASKS: list[tuple[Callable[[Flask, Holder], Act], Point]] = [
    (edits, "UPDATE users"),
    (asks_for_an_address, "INSERT INTO one_time_codes"),
    (refreshes, "UPDATE sessions"),
]


@pytest.mark.parametrize(("ask", "writes"), ASKS)
def test_who_was_let_in_before_the_account_was_erased_leaves_nothing(
    app: Flask, ask: Callable[[Flask, Holder], Act], writes: Point
) -> None:
    holder = Holder.of(app)

    def leave() -> int:
        assert close(holder.client, holder.token).status_code == 200
        return erase_after(app)

    answer, gone = interleaved(app, writes, ask(app, holder), leave)
    assert gone == 1
    assert refused(answer) in {INVALID, SIGNED_OUT}
    assert (rows(app, select(User)), rows(app, select(Session)), orphans(app)) == ([], [], {})


@pytest.mark.parametrize("end", ENDS)
def test_who_is_run_again_after_the_end_is_not_let_in_again(before: Before, end: str) -> None:
    """The end came between the guard and the work, and the work lost a deadlock."""
    act = ENDS[end](before)
    answer, done = interleaved(before.app, "UPDATE users", edits(before.app, before.other), act, loses=True)

    assert (refused(answer), done.status_code) == (INVALID, 200)
    assert not events(before.app, "profile_edited")


def test_two_who_make_the_next_key_make_two(app: Flask, make_app: MakeApp) -> None:
    """As one command and another, each for a reason of its own; no process is left with a key that is not stored."""
    holder, other = Holder.of(app), make_app()
    kids = interleaved(app, "INSERT INTO signing_keys", partial(rotates, app), partial(rotates, other))

    stored = rows(app, select(SigningKey).order_by(SigningKey.ordinal))
    assert [key.ordinal for key in stored] == [1, 2, 3]
    assert {key.kid for key in stored[1:]} == set(kids)
    assert [holder.calls(app=each) for each in (app, other)] == [200, 200]


def rotates(app: Flask) -> str:
    with app.app_context():
        return keys.rotate()


def test_a_first_key_that_another_made_meanwhile_is_everybodys(app: Flask, make_app: MakeApp) -> None:
    other = make_app()
    change(app, delete(SigningKey))
    interleaved(app, "INSERT INTO signing_keys", partial(maintains, app), partial(maintains, other))

    [stored] = rows(app, select(SigningKey.kid))
    assert {key["kid"] for each in (app, other) for key in known(each)} == {stored}


def maintains(app: Flask) -> None:
    with app.app_context():
        keys.maintain()


def known(app: Flask) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = app.test_client().get("/.well-known/jwks.json").get_json()["keys"]
    return found
