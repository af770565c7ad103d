"""Whom an operator keeps out has nothing open any more, opens nothing, and looks to strangers like everybody else."""

from functools import partial

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.inside import hashes, recorded, refused, rows, shape, together, within
from tests.login.guessing import SAME_ID, WRONG_ONE, Guesser, strange_network
from tests.passwords.asking import NEW, asked_for, forgot, reset
from tests.people import HERE, PASSWORD, THERE, Mailbox, People, bearer, network
from tests.registration.asking import GRACE_AT, WRONG, register
from tests.sessions.holding import Holder
from tests.tables import contents, mails_sent
from tests.users.desk import Desk, Said, who
from werkzeug.test import TestResponse

from flaskauth.accounts.models import AddressChange, User
from flaskauth.codes import service as codes
from flaskauth.foundation import clock
from flaskauth.foundation.db import db
from flaskauth.foundation.ids import new_secret_id

KEPT_OUT = "Kept out from now on; every session has ended.\n"
COMMANDS = ("show", "disable", "enable")


def keep_out(desk: Desk) -> None:
    assert desk.types("disable", GRACE_AT) == Said(0, KEPT_OUT, "")


def kept_out(desk: Desk, client: FlaskClient) -> TestResponse:
    """The same, and an answer to stand among others."""
    keep_out(desk)
    return client.get("/hello")


def test_the_right_password_is_answered_like_a_wrong_one(app: Flask, desk: Desk, people: People) -> None:
    people.joined()
    people.joined("ada@example.com")
    keep_out(desk)
    before = hashes(app)
    right, wrong = Guesser(app).tries(PASSWORD), Guesser(app, "ada@example.com").tries()

    assert refused(right) == WRONG_ONE
    assert shape(right) == shape(wrong) == shape(Guesser(app, "nobody@example.com").tries())
    assert hashes(app) - before == 3


def test_every_token_ends_at_once(app: Flask, desk: Desk, people: People) -> None:
    first = Holder.of(app)
    second = Holder(people.client, who(app).signed_in(at=THERE))
    ada = Holder.of(app, "ada@example.com")
    keep_out(desk)

    assert first.is_over()
    assert second.is_over()
    assert not ada.is_over()


def test_no_device_is_known_any_more(app: Flask, desk: Desk, people: People) -> None:
    token = people.joined().signed_in(at=HERE)["device_token"]
    keep_out(desk)
    desk.types("enable", GRACE_AT)
    guesser = Guesser(app)
    guesser.makes_the_address_wait()

    assert guesser.tries(PASSWORD, at=strange_network(), device_token=token).status_code == 429


def test_nobody_slips_in_meanwhile(app: Flask, desk: Desk, people: People) -> None:
    """Sign-ins, refreshes and calls at the very moment: what they were given opens nothing once it is done."""
    people.joined()
    for _ in range(3):
        held = [Holder(people.client, who(app).signed_in(at=strange_network())) for _ in range(3)]
        sign_ins = [partial(who(app).sign_in, at=strange_network()) for _ in range(3)]
        refreshes = [partial(holder.presents, holder.refresh_token, strange_network()) for holder in held]
        calls = [
            partial(app.test_client().get, "/users/profile", headers={**bearer(holder.token), **network(HERE)})
            for holder in held
        ]
        answers = together([*sign_ins, *refreshes, *calls, partial(kept_out, desk, app.test_client())])
        given = [answer.get_json() for answer in answers[:6] if answer.status_code == 200]
        assert all(Holder(people.client, tokens).is_over() for tokens in given)
        assert all(holder.is_over() for holder in held)
        assert desk.types("show", GRACE_AT).count("Open sessions") == 0
        desk.types("enable", GRACE_AT)


def test_a_forgotten_password_is_answered_the_same_and_mails_nothing(app: Flask, desk: Desk, people: People) -> None:
    people.joined()
    people.joined("ada@example.com")
    keep_out(desk)
    sent = mails_sent(app)
    answers = [
        people.client.post("/auth/forgot-password", json={"email": email}, headers={**network(HERE), **SAME_ID})
        for email in (GRACE_AT, "nobody@example.com")
    ]

    assert [(answer.status_code, sorted(answer.get_json())) for answer in answers] == [
        (200, ["message", "reset_id", "status", "success"])
    ] * 2
    assert mails_sent(app) == sent
    forgot(people.client, "ada@example.com")
    assert mails_sent(app) == sent + 1


def test_a_code_that_was_mailed_before_sets_no_password(app: Flask, desk: Desk, people: People) -> None:
    people.joined()
    asked = asked_for(people)
    keep_out(desk)

    assert refused(reset(people.client, asked.code, reset_id=asked.id)) == WRONG


def test_it_sets_none_either_once_the_person_is_let_in_again(app: Flask, desk: Desk, people: People) -> None:
    people.joined()
    asked = asked_for(people)
    keep_out(desk)
    desk.types("enable", GRACE_AT)

    assert refused(reset(people.client, asked.code, reset_id=asked.id)) == WRONG
    assert refused(who(app).sign_in(NEW)) == WRONG_ONE


def test_a_new_address_that_waits_for_its_proof_is_given_up(app: Flask, desk: Desk, people: People) -> None:
    people.joined()
    [user_id] = rows(app, select(User.id))
    code_id = within(app, partial(_asks_for_another_address, user_id))
    keep_out(desk)

    assert within(app, lambda: codes.reveal(code_id)) is None


def test_the_address_is_not_free_for_others(app: Flask, desk: Desk, people: People, mailbox: Mailbox) -> None:
    people.joined()
    keep_out(desk)
    assert register(people.client, at=THERE, first_name="Mallory").status_code == 200

    assert mailbox.wait(2)[0]["subject"].lower() == "you already have an account on flaskauth"


def test_who_is_let_in_again_signs_in_anew(app: Flask, desk: Desk, people: People) -> None:
    holder = Holder.of(app)
    keep_out(desk)
    assert desk.types("enable", GRACE_AT) == Said(0, "May sign in again.\n", "")

    assert holder.is_over()
    assert who(app).sign_in().status_code == 200


def test_both_are_written_down_once_however_often_they_are_typed(app: Flask, desk: Desk, people: People) -> None:
    Holder.of(app)
    for _ in range(2):
        desk.types("disable", GRACE_AT)
    assert desk.types("disable", GRACE_AT).out == "Was kept out already.\n"
    for _ in range(2):
        desk.types("enable", GRACE_AT)

    assert desk.types("enable", GRACE_AT).out == "Was not kept out.\n"
    assert recorded(app, "account_disabled").details == {"ended": 1}
    assert recorded(app, "account_enabled").user_id


def test_a_person_is_shown_without_a_hash(app: Flask, desk: Desk, people: People) -> None:
    grace = people.joined()
    grace.signed_in()
    [stored] = rows(app, select(User.password))
    said = desk.types("show", "GRACE@example.com")

    shown = dict(line.strip().split("  ", 1) for line in said.out.splitlines())
    told = {name: value.strip() for name, value in shown.items()}
    assert (told["Address"], told["Verified"], told["Disabled"], told["Closing"]) == (GRACE_AT, "yes", "no", "no")
    assert (told["Open sessions"], told["Password"]) == ("1", "argon2")
    assert told["Last sign-in"].endswith("Z")
    assert stored[-20:] not in said.out


def test_nobody_and_no_address_are_told_in_words(app: Flask, desk: Desk) -> None:
    before = contents(app)
    for command in COMMANDS:
        assert "Nobody has this address." in desk.types(command, "nobody@example.com").error
        assert "not an address" in desk.types(command, "nobody").error

    assert contents(app) == before


def _asks_for_another_address(user_id: int) -> bytes:
    here = codes.Asked("address", "new@example.com", HERE, ends_at=clock.now() + codes.LIFE)
    code = codes.issue(here)
    change = AddressChange(
        id=code.id, user_id=user_id, email="new@example.com", address="new@example.com", link_id=new_secret_id()
    )
    change.created_at = clock.now()
    db.session.add(change)
    return code.id
