"""After a reset nothing that the old password opened goes on, and its owner can sign in, and knows of it."""

from functools import partial

import pytest
from flask import Flask
from tests.inside import together, within
from tests.login.guessing import Guesser, strange_network
from tests.passwords.asking import NEW, asked_for, reset
from tests.people import HERE, PASSWORD, THERE, Mailbox, People, Person
from tests.registration.asking import GRACE_AT
from tests.sessions.holding import Holder

from flaskauth.mail import budget


def reset_anew(people: People, at: str = HERE, password: str = NEW) -> None:
    asked = asked_for(people, at=at)
    assert reset(people.client, asked.code, at, password, reset_id=asked.id).status_code == 200


def test_every_session_ends_at_once(app: Flask, people: People) -> None:
    first = Holder.of(app)
    second = Holder(people.client, Person(people.client, GRACE_AT).signed_in(at=THERE))
    ada = Holder.of(app, "ada@example.com")
    reset_anew(people)

    assert first.is_over()
    assert second.is_over()
    assert not ada.is_over()


def test_no_device_is_known_any_more(app: Flask, people: People) -> None:
    token = people.joined().signed_in(at=HERE)["device_token"]
    guesser = Guesser(app)
    guesser.makes_the_address_wait()
    assert guesser.tries(PASSWORD, at=strange_network(), device_token=token).status_code == 200

    reset_anew(people)
    guesser.makes_the_address_wait()
    assert guesser.tries(NEW, at=strange_network(), device_token=token).status_code == 429


@pytest.mark.parametrize("times", [10, 100])
def test_whoever_was_locked_out_by_strangers_gets_in_from_anywhere(app: Flask, people: People, times: int) -> None:
    people.joined()
    guesser = Guesser(app)
    if times == 100:
        guesser.has_failed_in_a_row(100)
    else:
        guesser.makes_the_address_wait()
    assert guesser.tries(PASSWORD, at=THERE).status_code == 429

    reset_anew(people, THERE)
    assert guesser.tries(NEW, at=THERE).status_code == 200
    assert guesser.tries(NEW, at=strange_network()).status_code == 200


def test_nobody_slips_in_with_the_old_password_meanwhile(app: Flask, people: People) -> None:
    people.joined()
    for _ in range(3):
        password = f"{NEW} {strange_network()}"
        asked = asked_for(people, at=strange_network())
        old = [partial(Person(app.test_client(), GRACE_AT).sign_in, at=strange_network()) for _ in range(4)]
        *answers, done = together(
            [*old, partial(reset, app.test_client(), asked.code, password=password, reset_id=asked.id)]
        )
        assert done.status_code == 200
        welcomes = [answer.get_json() for answer in answers if answer.status_code == 200]
        assert all(Holder(people.client, welcome).is_over() for welcome in welcomes)
        reset_anew(people, strange_network(), PASSWORD)


def test_the_owner_is_told_from_where_however_much_mail_there_was(app: Flask, people: People, mailbox: Mailbox) -> None:
    people.joined()
    asked = asked_for(people)
    within(app, lambda: [budget.take(GRACE_AT, str(number), is_known=True) for number in range(30)])
    reset(people.client, asked.code, THERE, reset_id=asked.id)
    mail = mailbox.wait(3, to=GRACE_AT)[0]

    assert mail["subject"] == "Your password on flaskauth was changed"
    assert THERE in mail["text"]
    assert NEW not in mail["text"] + mail["html"]
