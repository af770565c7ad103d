"""After whatever ends what was open, nothing of before opens the account, tried in a burst too."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select
from tests.email_change.asking import Change, ask, link_of, moved
from tests.inside import recorded, refused, rows, together, within
from tests.login.guessing import Guesser, strange_network
from tests.passwords.asking import NEW, asked_for, change, reset
from tests.people import PASSWORD, THERE, People, Person, bearer, code_of
from tests.registration.asking import GRACE_AT, WRONG
from tests.sessions.holding import Holder
from tests.tables import settle
from werkzeug import Response

from flaskauth.accounts.addresses import parse
from flaskauth.accounts.models import User
from flaskauth.users import service as users

Act = Callable[[], Response]
DONE = Response(status=200)  # of an operator's command


@dataclass
class Before:
    """What somebody had before the end: two sessions, a device, codes that wait."""

    app: Flask
    people: People
    mine: Holder
    other: Holder
    email: str = GRACE_AT

    def resets(self) -> Act:
        asked = asked_for(self.people, at=strange_network())
        return partial(reset, self.app.test_client(), asked.code, reset_id=asked.id)

    def changes(self) -> Act:
        return partial(change, self.app.test_client(), self.mine.token, PASSWORD)

    def undoes(self) -> Act:
        self.mine = self.other
        return partial(Change.asked(self.app, self.other, "mallory@example.net").undo.followed, self.app.test_client())

    def disowns(self) -> Act:
        settle(self.app)
        mail = next(mail for mail in self.people.mailbox.all() if "/auth/disown#" in mail["text"])
        return partial(link_of(mail).followed, self.app.test_client())

    def closes(self) -> Act:
        return partial(self.app.test_client().delete, "/users/account", headers=bearer(self.mine.token))

    def is_disabled(self) -> Act:
        return partial(within, self.app, self._disable)

    def _disable(self) -> Response:
        assert users.disable(parse(self.email))
        return DONE


@pytest.fixture
def before(app: Flask, people: People) -> Before:
    mine = Holder.of(app)
    return Before(app, people, mine, Holder(people.client, Person(people.client, GRACE_AT).signed_in(at=THERE)))


ENDS: dict[str, Callable[[Before], Act]] = {
    "reset": Before.resets,
    "change": Before.changes,
    "undo": Before.undoes,
    "disown": Before.disowns,
    "close": Before.closes,
    "disable": Before.is_disabled,
}
SIGNS_IN_AGAIN = ("reset", "change", "undo", "disown")


@pytest.mark.parametrize("end", ENDS)
def test_no_token_of_before_and_none_that_was_traded_meanwhile_opens_anything(before: Before, end: str) -> None:
    act, old = ENDS[end](before), before.other
    trades = [partial(old.presents, old.refresh_token, app=before.app) for _ in range(6)]
    acts: list[Act] = [act, *trades]
    done, *traded = together(acts)

    assert done.status_code == 200, done.get_data()
    assert old.is_over()
    assert {answer.status_code for answer in traded} <= {200, 401}
    welcomes = [answer.get_json() for answer in traded if answer.status_code == 200]
    assert all(Holder(old.client, welcome).is_over() for welcome in welcomes)


@pytest.mark.parametrize("end", ["undo", "disown"])
def test_a_closing_that_a_thief_asked_for_ends_with_the_thief(before: Before, end: str) -> None:
    act = ENDS[end](before)
    assert before.closes()().status_code == 200
    assert act().status_code == 200

    assert [user.closes_at for user in rows(before.app, select(User))] == [None]
    assert recorded(before.app, "account_restored").user_id


@pytest.mark.parametrize("end", ENDS)
def test_no_device_of_before_is_known(before: Before, end: str) -> None:
    token = before.other.tokens["device_token"]
    assert ENDS[end](before)().status_code == 200
    guesser = Guesser(before.app)
    guesser.makes_the_address_wait()

    for password in (PASSWORD, NEW):
        assert guesser.tries(password, at=strange_network(), device_token=token).status_code == 429


@pytest.mark.parametrize("end", SIGNS_IN_AGAIN)
def test_no_code_of_before_is_good(before: Before, end: str) -> None:
    waiting = asked_for(before.people, at=strange_network())
    assert ask(before.mine.client, before.mine.token, "katherine@example.org").status_code == 200
    settle(before.app)
    code = code_of(before.people.mailbox.wait(to="katherine@example.org")[0])
    assert ENDS[end](before)().status_code == 200

    assert refused(reset(before.people.client, waiting.code, reset_id=waiting.id)) == WRONG
    password = NEW if end in {"reset", "change"} else reset_anew(before)
    signed_in = Person(before.people.client, GRACE_AT).sign_in(password).get_json()
    answer = before.people.client.post(
        "/users/email/verify", json={"otp": code}, headers={"Authorization": f"Bearer {signed_in['token']}"}
    )
    assert refused(answer) == WRONG


@pytest.mark.parametrize("end", ["close", "disable"])
def test_no_reset_that_waited_sets_a_password(before: Before, end: str) -> None:
    waiting = asked_for(before.people, at=strange_network())
    assert ENDS[end](before)().status_code == 200

    assert refused(reset(before.people.client, waiting.code, reset_id=waiting.id)) == WRONG


def reset_anew(before: Before) -> str:
    """The owner sets a new password, which an undo and a disowned sign-in ask for."""
    asked = asked_for(before.people, at=strange_network())
    assert reset(before.people.client, asked.code, reset_id=asked.id).status_code == 200
    return NEW


def test_who_signs_in_while_a_change_of_address_is_undone_does_not_stay(app: Flask, people: People) -> None:
    change = moved(app)
    body = {"email": change.email, "password": PASSWORD}
    sign_ins = [partial(app.test_client().post, "/auth/login", json=body) for _ in range(4)]
    done, *answers = together([partial(change.undo.followed, app.test_client()), *sign_ins])

    assert done.status_code == 200
    welcomes = [answer.get_json() for answer in answers if answer.status_code == 200]
    assert all(Holder(people.client, welcome).is_over() for welcome in welcomes)
