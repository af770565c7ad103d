"""Who is signed in changes the password with the one that is known; the other sessions end."""

from functools import partial

from flask import Flask
from tests.inside import events, recorded, refused, together
from tests.login.guessing import HELD, WRONG_ONE, Guesser, strange_network
from tests.passwords.asking import NEW, WEAK, asked_for, change, reset
from tests.people import HERE, PASSWORD, THERE, Mailbox, People, Person
from tests.registration.asking import GRACE_AT, WRONG
from tests.sessions.holding import Holder


def test_the_new_password_signs_in_and_the_old_one_does_not(app: Flask, people: People) -> None:
    mine = Holder.of(app)
    answer = change(people.client, mine.token, PASSWORD)

    assert (answer.status_code, answer.get_json()["message"]) == (200, "Your password was changed")
    grace = Person(people.client, GRACE_AT)
    assert (grace.sign_in(PASSWORD).status_code, grace.sign_in(NEW).status_code) == (401, 200)
    assert recorded(app, "password_changed").session_id == mine.session_id


def test_other_sessions_end_and_this_one_goes_on(app: Flask, people: People) -> None:
    mine = Holder.of(app)
    other = Holder(people.client, Person(people.client, GRACE_AT).signed_in(at=THERE))
    change(people.client, mine.token, PASSWORD)

    assert other.is_over()
    assert mine.calls() == 200
    mine.refreshes()


def test_only_this_sessions_device_stays_known(app: Flask, people: People) -> None:
    mine = Holder.of(app)
    other = Person(people.client, GRACE_AT).signed_in(at=HERE)
    change(people.client, mine.token, PASSWORD)
    guesser = Guesser(app)
    guesser.makes_the_address_wait()
    statuses = [
        guesser.tries(NEW, at=strange_network(), device_token=tokens["device_token"]).status_code
        for tokens in (mine.tokens, other)
    ]

    assert statuses == [200, 429]


def test_the_owner_is_told(people: People, mailbox: Mailbox) -> None:
    token = people.joined().signed_in()["token"]
    change(people.client, token, PASSWORD, at=THERE)
    mail = mailbox.wait(2, to=GRACE_AT)[0]

    assert mail["subject"] == "Your password on flaskauth was changed"
    assert THERE in mail["text"]


def test_a_code_that_waits_sets_no_other_password(app: Flask, people: People) -> None:
    mine = Holder.of(app)
    asked = asked_for(people)
    change(people.client, mine.token, PASSWORD)

    for door in ("by id", "by email"):
        assert refused(reset(people.client, asked.code, **asked.door(door))) == WRONG


def test_a_wrong_password_changes_nothing_and_is_told_before_a_weak_one(app: Flask, people: People) -> None:
    mine = Holder.of(app)

    assert refused(change(people.client, mine.token, "not the password", "password")) == WRONG_ONE
    assert Person(people.client, GRACE_AT).sign_in(PASSWORD).status_code == 200
    assert events(app, "password_changed") == []


def test_tries_are_shared_with_sign_in(app: Flask, people: People) -> None:
    mine = Holder.of(app)
    for _ in range(5):
        assert refused(change(people.client, mine.token, "wrong", at=THERE)) == WRONG_ONE
    assert refused(Guesser(app).tries(PASSWORD, at=THERE)) == HELD

    there = strange_network()
    Guesser(app).has_failed(5, at=there)
    assert refused(change(people.client, mine.token, "wrong", at=there)) == HELD
    assert change(people.client, mine.token, PASSWORD, at=there).status_code == 200


def test_a_weak_password_is_refused_and_the_try_is_given_back(people: People) -> None:
    grace = people.joined()
    token = grace.signed_in()["token"]
    answers = [change(people.client, token, PASSWORD, weak) for weak in ("hopper1906", "password") * 9]

    assert {refused(answer) for answer in answers} == {WEAK}
    assert grace.sign_in(PASSWORD).status_code == 200
    assert change(people.client, token, PASSWORD).status_code == 200


def test_the_same_password_again_is_refused_in_any_letters(people: People) -> None:
    same = "fünf grüne ﬂöße ①"
    token = people.joined(password=same).signed_in()["token"]
    for again in (same, "fünf grüne flöße 1"):
        answer = change(people.client, token, same, again)
        assert refused(answer) == WEAK
        assert answer.get_json()["errors"] == {"password": ["Is the one that you have now."]}


def test_of_many_changes_at_once_one_wins(app: Flask, people: People) -> None:
    grace = people.joined()
    tokens = [grace.signed_in()["token"] for _ in range(4)]
    passwords = [f"{NEW} {number}" for number in range(4)]
    answers = together(
        [
            partial(change, app.test_client(), token, PASSWORD, password)
            for token, password in zip(tokens, passwords, strict=True)
        ]
    )
    statuses = [answer.status_code for answer in answers]

    assert statuses.count(200) == 1
    assert set(statuses) == {200, 401}
    assert grace.sign_in(passwords[statuses.index(200)]).status_code == 200


def test_without_a_session_nothing_is_compared(people: People) -> None:
    people.joined()

    assert refused(change(people.client, "x.y.z", PASSWORD)) == (401, "invalid_token")
