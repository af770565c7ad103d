"""Who comes back within the week keeps the account, and a race with the erasure has one winner."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Flask
from sqlalchemy import select, update
from tests.closing.leaving import MOMENT, WEEK, closed, erase, erase_after, orphans, restore
from tests.inside import change, events, recorded, refused, rows, together
from tests.people import THERE, Mailbox, People, bearer
from tests.registration.asking import GRACE_AT
from tests.sessions.holding import Holder
from tests.tables import settle

from flaskauth.accounts.models import User
from flaskauth.foundation import clock

NOT_FOUND = (404, "not_found")


def test_it_is_as_it_was_and_the_owner_is_told(app: Flask, people: People, mailbox: Mailbox) -> None:
    token = closed(people)
    answer = restore(people.client, token, THERE)
    mail = mailbox.wait(3, to=GRACE_AT)[0]

    assert (answer.status_code, answer.get_json()["message"]) == (200, "Your account stays")
    assert people.client.get("/auth/sessions", headers=bearer(token)).status_code == 200
    assert (mail["subject"], THERE in mail["text"]) == ("Your account on flaskauth stays", True)
    assert recorded(app, "account_restored").user_id == recorded(app, "account_closed").user_id
    assert erase_after(app) == 0


def test_where_nothing_is_being_closed_there_is_nothing(app: Flask, people: People) -> None:
    holder = Holder.of(app)

    assert refused(restore(people.client, holder.token)) == NOT_FOUND
    assert refused(people.client.post("/users/account/restore")) == (401, "invalid_token")
    assert not events(app, "account_restored")
    settle(app)
    assert len(people.mailbox.all()) == 1


def test_many_at_once_take_it_back_once(app: Flask, people: People) -> None:
    token = closed(people)
    answers = together([partial(restore, app.test_client(), token) for _ in range(4)])

    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert len(events(app, "account_restored")) == 1


def test_until_it_is_erased_it_can_be_taken_back(app: Flask, people: People) -> None:
    """The mail says at the earliest when; the purge comes once an hour."""
    token = closed(people)
    change(app, update(User).values(closes_at=clock.now() - timedelta(minutes=50)))

    assert restore(people.client, token).status_code == 200
    assert erase(app) == 0


def test_against_the_erasure_it_wins_or_loses_cleanly(app: Flask, people: People) -> None:
    for number in range(6):
        token = closed(people, f"grace{number}@example.com")
        change(app, update(User).where(User.closes_at.is_not(None)).values(closes_at=clock.now() - MOMENT))
        works: list[Callable[[], Any]] = [partial(restore, app.test_client(), token), partial(erase, app)]
        answer, gone = together(works)
        left = rows(app, select(User).filter_by(address=f"grace{number}@example.com"))

        assert [user.closes_at for user in left] == ([None] if answer.status_code == 200 else [])
        assert gone == (0 if answer.status_code == 200 else 1)
        assert answer.status_code == 200 or refused(answer) in {NOT_FOUND, (401, "invalid_token")}
        assert orphans(app) == {}
    assert len(events(app, "account_restored")) + len(events(app, "account_erased")) == 6


def test_closed_again_the_week_begins_anew(app: Flask, people: People) -> None:
    token = closed(people)
    clock.travel(timedelta(days=6))
    token = people_again(people)
    assert restore(people.client, token).status_code == 200
    assert people.client.delete("/users/account", headers=bearer(token)).status_code == 200

    assert erase_after(app, WEEK - MOMENT) == 0
    assert erase_after(app, MOMENT * 2) == 1


def people_again(people: People) -> str:
    body = {"email": GRACE_AT, "password": "seven green kettles"}
    return str(people.client.post("/auth/login", json=body).get_json()["token"])
