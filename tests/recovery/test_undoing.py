"""A link from a mail takes a change of address back, for 7 days, once; and nobody else stays in."""

from datetime import timedelta
from functools import partial

from flask import Flask
from sqlalchemy import select
from tests.closing.leaving import close, erase_after
from tests.email_change.asking import NEW_AT, OVER, Change, moved, signs_in
from tests.inside import recorded, refused, rows, together, within
from tests.people import PASSWORD, THERE, Mailbox, People, code_of
from tests.registration.asking import GRACE_AT, WRONG, attempt, register, verify
from tests.sessions.holding import Holder
from tests.tables import settle

from flaskauth.accounts.addresses import parse
from flaskauth.accounts.models import User
from flaskauth.codes.models import Link, OneTimeCode
from flaskauth.foundation import clock
from flaskauth.users import service as users

NEW = "nine purple umbrellas"


def resets(app: Flask, people: People, email: str, password: str = NEW) -> int:
    """Set a new password by the mail; the status of the sign-in with it."""
    settle(app)
    reset_id = people.client.post("/auth/forgot-password", json={"email": email}).get_json()["reset_id"]
    settle(app)
    mine = (mail for mail in people.mailbox.all() if mail["to"] == email)
    code = code_of(next(mail for mail in mine if "new password" in mail["subject"]))
    body = {"otp": code, "reset_id": reset_id, "password": password}
    assert people.client.post("/auth/reset-password", json=body).status_code == 200
    return signs_in(people, email, password)


def test_the_address_is_back_and_only_a_reset_opens_the_account(app: Flask, people: People) -> None:
    change = moved(app)
    answer = change.undo.followed(people.client)

    assert answer.status_code == 200
    assert change.holder.is_over()
    assert (signs_in(people, GRACE_AT), signs_in(people, NEW_AT)) == (401, 401)
    assert resets(app, people, GRACE_AT) == 200
    assert recorded(app, "address_restored").user_id


def test_before_it_is_proven_it_ends_the_change(app: Flask, people: People) -> None:
    change = Change.asked(app, Holder.of(app))
    assert change.undo.followed(people.client).status_code == 200
    assert resets(app, people, GRACE_AT) == 200
    change.holder.tokens = people.client.post("/auth/login", json={"email": GRACE_AT, "password": NEW}).get_json()

    assert refused(change.proven()) == WRONG


def test_no_change_waits_any_more(app: Flask, people: People) -> None:
    first = moved(app)
    Change.asked(app, first.holder, "mallory@example.net", NEW_AT)
    assert first.undo.followed(people.client).status_code == 200

    assert not any(code.is_live for code in rows(app, select(OneTimeCode).where(OneTimeCode.purpose == "email")))


def test_who_was_disabled_is_erased_all_the_same(app: Flask, people: People) -> None:
    change = moved(app)
    close(people.client, change.holder.token)
    assert within(app, lambda: users.disable(parse(NEW_AT)))
    assert change.undo.followed(people.client).status_code == 200

    assert [user.closes_at is not None for user in rows(app, select(User))] == [True]


def test_it_is_good_once_and_in_a_burst_too(app: Flask) -> None:
    change = moved(app)
    answers = together([partial(change.undo.followed, app.test_client()) for _ in range(8)])

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    assert refused(change.undo.followed(app.test_client())) == OVER


def test_it_is_good_for_seven_days(app: Flask, people: People) -> None:
    change = moved(app)
    clock.travel(timedelta(days=7) - timedelta(minutes=1))
    early = moved(app, "ada@example.org", "ada@example.com")
    clock.travel(timedelta(minutes=2))

    assert refused(change.undo.followed(people.client)) == OVER
    assert early.undo.followed(people.client).status_code == 200


def test_a_later_change_and_its_link_end_with_it(app: Flask, people: People) -> None:
    """Who took the account moves it on; the first owner's link still reaches it, the thief's reaches nothing."""
    first = moved(app)
    second = Change.asked(app, first.holder, "mallory@example.net", NEW_AT)
    assert second.proven().status_code == 200
    assert first.undo.followed(people.client).status_code == 200

    assert refused(second.undo.followed(people.client)) == OVER
    assert resets(app, people, GRACE_AT) == 200


def test_an_earlier_link_stays_good_after_a_later_one(app: Flask, people: People) -> None:
    first = moved(app)
    second = Change.asked(app, first.holder, "mallory@example.net", NEW_AT)
    assert second.undo.followed(people.client).status_code == 200

    assert first.undo.followed(people.client).status_code == 200
    assert [user.email for user in rows(app, select(User))] == [GRACE_AT]


def test_a_password_that_the_thief_sets_does_not_save_the_theft(app: Flask, people: People) -> None:
    change = moved(app)
    assert resets(app, people, NEW_AT, "eleven blue lanterns") == 200
    assert change.undo.followed(people.client).status_code == 200

    assert signs_in(people, GRACE_AT, "eleven blue lanterns") == 401


def test_it_takes_a_later_closing_back(app: Flask, people: People) -> None:
    change = moved(app)
    assert close(people.client, change.holder.token).status_code == 200
    assert change.undo.followed(people.client).status_code == 200
    assert resets(app, people, GRACE_AT) == 200

    assert erase_after(app) == 0
    assert signs_in(people, GRACE_AT, NEW) == 200


def test_the_owner_is_told_at_the_restored_address(app: Flask, people: People, mailbox: Mailbox) -> None:
    change = moved(app)
    change.undo.followed(people.client, at=THERE)
    settle(app)
    mail = mailbox.all()[0]

    assert (mail["to"], mail["subject"]) == (GRACE_AT, "Your account on flaskauth was secured")
    assert THERE in mail["text"]


def test_the_address_of_the_theft_is_free_again(app: Flask, people: People) -> None:
    moved(app).undo.followed(people.client)

    anew = attempt(people, NEW_AT)
    assert verify(people.client, anew.code).status_code == 200


def test_a_link_of_one_kind_does_nothing_of_the_other(app: Flask, people: People) -> None:
    change = moved(app)
    answer = people.client.post("/auth/disown", json={"token": change.undo.token})

    assert refused(answer) == OVER
    assert change.undo.followed(people.client).status_code == 200


def test_a_wrong_link_touches_nothing(app: Flask, people: People) -> None:
    change = moved(app)
    for token in (change.undo.token[:-1], change.undo.token + "A", "x", change.undo.token.lower()):
        assert refused(people.client.post("/auth/undo", json={"token": token})) == OVER

    assert change.holder.calls() == 200


def test_no_row_holds_the_token(app: Flask) -> None:
    change = moved(app)
    for row in rows(app, select(Link)):
        assert change.undo.token not in repr(vars(row))


def test_registering_in_the_meantime_does_not_take_the_address(app: Flask, people: People) -> None:
    change = moved(app)
    register(people.client, GRACE_AT, THERE, password=PASSWORD + "!")
    assert change.undo.followed(people.client).status_code == 200

    assert [user.email for user in rows(app, select(User))] == [GRACE_AT]
