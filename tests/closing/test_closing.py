"""Who closes the account is signed out everywhere, and until it is erased reaches nothing but the way back and out."""

from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select, update
from tests.calling import Caller
from tests.closing.leaving import CLOSING, WEEK, close, closed, erase_after, orphans, restore
from tests.inside import change, events, recorded, refused, rows, together, within
from tests.passwords.asking import NEW, asked_for, reset
from tests.people import HERE, PASSWORD, THERE, Mailbox, People, Person, bearer, code_of, network
from tests.registration.asking import GRACE_AT
from tests.routes import routes
from tests.sessions.holding import Holder

from flaskauth.accounts.models import AddressChange, User
from flaskauth.codes import service as codes
from flaskauth.codes.models import OneTimeCode
from flaskauth.codes.service import Asked
from flaskauth.foundation import clock
from flaskauth.foundation.db import db
from flaskauth.sessions.models import Device

FORBIDDEN = (403, "forbidden")
OPEN = {"GET /users/profile", "GET /users/export", "POST /users/account/restore"}


def test_it_says_until_when_and_so_does_the_mail(app: Flask, people: People, mailbox: Mailbox) -> None:
    holder = Holder.of(app)
    answer = close(people.client, holder.token, THERE)
    mail = mailbox.wait(2, to=GRACE_AT)[0]
    [user] = rows(app, select(User))

    assert (answer.status_code, answer.get_json()["message"]) == (200, "Your account is being closed")
    assert answer.get_json()["closes_at"] == clock.stamp(user.closes_at)
    assert timedelta() <= clock.now() + WEEK - user.closes_at < timedelta(minutes=1)
    assert mail["subject"] == "Your account on flaskauth is being closed"
    assert THERE in mail["text"]
    assert user.closes_at.strftime("%Y-%m-%d %H:%M UTC") in mail["text"]
    assert recorded(app, "account_closed").session_id == holder.session_id


def test_it_takes_a_token_that_is_fresh(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    holder.refreshes()

    assert refused(close(people.client, holder.token)) == (403, "reauthentication_required")
    assert refused(people.client.delete("/users/account")) == (401, "invalid_token")
    assert holder.calls() == 200
    assert not events(app, "account_closed")


def test_every_session_and_device_ends_at_once(app: Flask, people: People) -> None:
    first = Holder.of(app)
    second = Holder(people.client, Person(people.client, GRACE_AT).signed_in(at=THERE))
    ada = Holder.of(app, "ada@example.com")
    close(people.client, first.token)

    assert first.is_over()
    assert second.is_over()
    assert ada.calls() == 200
    assert rows(app, select(Device.user_id)) == [ada.tokens["user"]["id"]]


def test_a_code_that_was_asked_for_before_sets_no_password(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    asked = asked_for(people)
    close(people.client, holder.token)

    assert refused(reset(people.client, asked.code, reset_id=asked.id)) == (401, "wrong_code")


def test_a_change_of_address_that_is_under_way_ends(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    within(app, lambda: begin_change(holder.tokens["user"]["id"]))
    close(people.client, holder.token)
    [code] = rows(app, select(OneTimeCode).filter_by(purpose="email"))

    assert not code.is_live


def begin_change(user_id: int) -> None:
    code = codes.issue(Asked("email", "other@example.com", HERE, ends_at=clock.now() + codes.LIFE))
    about = {"email": "other@example.com", "address": "other@example.com", "link_id": b"", "created_at": clock.now()}
    db.session.add(AddressChange(id=code.id, user_id=user_id, **about))


def test_a_sign_in_reaches_only_the_way_back_and_out(app: Flask, people: People) -> None:
    caller = Caller(people.client, closed(people))
    reached = set()
    for route in routes(app):
        if route.access == "guarded" and str(route) not in OPEN:
            answer = caller.send(route)
            assert refused(answer) == FORBIDDEN, route
            assert answer.get_json()["message"] == CLOSING
        elif route.access == "guarded":
            reached.add(str(route))

    assert reached == OPEN
    user = people.client.get("/users/profile", headers=bearer(caller.token)).get_json()["user"]
    assert user["email"] == GRACE_AT
    assert people.client.get("/users/export", headers=bearer(caller.token)).get_json()["profile"]["closes_at"]
    assert people.client.post("/auth/logout", headers=bearer(caller.token)).status_code == 200


def test_closing_it_again_later_puts_nothing_off(app: Flask, people: People) -> None:
    token = closed(people)
    [before] = rows(app, select(User.closes_at))
    clock.travel(timedelta(minutes=1))

    assert refused(close(people.client, token)) == FORBIDDEN
    assert rows(app, select(User.closes_at)) == [before]


def test_twice_at_once_is_once(app: Flask, people: People, mailbox: Mailbox) -> None:
    person = people.joined()
    for number in range(3):
        token = person.signed_in()["token"]
        answers = together([partial(close, app.test_client(), token) for _ in range(4)])
        done = [answer.get_json()["closes_at"] for answer in answers if answer.status_code == 200]

        assert {answer.status_code for answer in answers} <= {200, 401}
        assert len(set(done)) == 1
        assert len(events(app, "account_closed")) == number + 1
        assert restore(people.client, person.signed_in()["token"]).status_code == 200
    assert len(mailbox.wait(7, to=GRACE_AT)) == 7


def test_nothing_that_runs_at_that_moment_slips_through(app: Flask, people: People) -> None:
    """No token from before opens anything afterwards, and a new sign-in no more than it may."""
    person = people.joined()
    for number in range(3):
        holder = Holder(people.client, person.signed_in())
        edit = {"json": {"first_name": f"Name{number}"}, "headers": bearer(holder.token)}
        *answers, _edited, done = together(
            [
                *[partial(Person(app.test_client(), GRACE_AT).sign_in, at=HERE) for _ in range(3)],
                *[partial(holder.presents, holder.refresh_token) for _ in range(3)],
                partial(app.test_client().post, "/users/edit", **edit),
                partial(close, app.test_client(), holder.token),
            ]
        )
        assert done.status_code == 200
        assert {answer.status_code for answer in answers} <= {200, 401}
        for answer in answers:
            if answer.status_code == 200:
                headers = bearer(answer.get_json()["token"])
                assert people.client.get("/auth/sessions", headers=headers).status_code in {401, 403}
        assert holder.is_over()
        assert orphans(app) == {}
        assert restore(people.client, person.signed_in()["token"]).status_code == 200


def test_a_forgotten_password_is_set_meanwhile_and_takes_nothing_back(app: Flask, people: People) -> None:
    closed(people)
    asked = asked_for(people)
    assert reset(people.client, asked.code, reset_id=asked.id).status_code == 200
    token = Person(people.client, GRACE_AT, NEW).signed_in()["token"]

    assert refused(people.client.get("/auth/sessions", headers=bearer(token))) == FORBIDDEN
    assert restore(people.client, token).status_code == 200


def test_nobody_gets_the_address_before_it_is_free(app: Flask, people: People, mailbox: Mailbox) -> None:
    closed(people)
    other = "nine purple umbrellas"
    people.pending(GRACE_AT, password=other)
    assert mailbox.wait(3, to=GRACE_AT)[0]["subject"] == "You already have an account on flaskauth"

    assert erase_after(app) == 1
    verification_id = people.pending(GRACE_AT, password=other)
    proof = {"otp": code_of(mailbox.wait(2, to=GRACE_AT)[0]), "verification_id": verification_id}
    assert people.client.post("/auth/verify", json=proof, headers=network(HERE)).status_code == 200
    again = Person(people.client, GRACE_AT, other)
    assert again.sign_in(PASSWORD).status_code == 401
    assert people.client.get("/auth/sessions", headers=bearer(again.signed_in()["token"])).status_code == 200


def test_who_is_disabled_cannot_take_it_back_and_is_erased(app: Flask, people: People) -> None:
    token = closed(people)
    change(app, update(User).values(disabled_at=clock.now()))

    assert refused(Person(people.client, GRACE_AT).sign_in()) == (401, "wrong_credentials")
    assert refused(restore(people.client, token)) == (404, "not_found")
    assert erase_after(app) == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_it_needs_no_body_and_no_other_method_does_it(app: Flask, people: People) -> None:
    token = Holder.of(app).token
    for method in ("GET", "POST", "PUT", "PATCH"):
        answer = people.client.open("/users/account", method=method, headers=bearer(token))
        assert refused(answer) == (405, "method_not_allowed")
