"""Whoever asks about an address learns nothing of it: not from an answer, and not from the work behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import databases
from tests.inside import within
from tests.login.guessing import Guesser
from tests.people import PASSWORD, People, form
from tests.registration.asking import NOT_IT
from tests.registration.states import ATTEMPTED, STATES, Asker, Given, Watch, askers, fill
from tests.routes import Route, routes
from werkzeug.test import TestResponse

from flaskauth.accounts.schemas import EmailField
from flaskauth.codes.schemas import CodeField, DoorField
from flaskauth.foundation import clock
from flaskauth.foundation.db import db
from flaskauth.mail import budget
from flaskauth.throttles import service as throttles
from flaskauth.throttles.models import Budget

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
OPENED_BY_THE_PASSWORD = {"account", "decoyed", "closing", "respelled"}
SHUT_OUT = tuple(state for state in STATES if state not in OPENED_BY_THE_PASSWORD)


@dataclass(frozen=True)
class Step:
    """One call about an address, or by the id that an earlier one answered, after a pause, perhaps from elsewhere."""

    path: str
    body: dict[str, str]
    door: str = "email"
    pause: int = 0
    at: str | None = None

    def by(self, asker: Asker) -> TestResponse:
        asker.at = self.at or asker.at
        return asker.asks(self.path, self.body, self.door)

    @property
    def names(self) -> set[str]:
        return {*self.body, self.door} - {""}


@dataclass(frozen=True)
class Story:
    """What is asked one after another, and how it ends: with a mail that is withheld, or with a 429."""

    steps: Sequence[Step]
    last: int
    given: Given = lambda _app, _email: None
    states: tuple[str, ...] = STATES


def register(password: str, pause: int = 0) -> Step:
    body = form(first_name="Mallory", last_name="Intruder", password=password)
    return Step("/auth/register", body, pause=pause)


def verify(door: str = "email") -> Step:
    return Step("/auth/verify", {"otp": NOT_IT}, door)


def resend(pause: int, door: str = "email") -> Step:
    return Step("/auth/resend", {}, door, pause)


def login(password: str = ATTEMPTED, at: str | None = None) -> Step:
    return Step("/auth/login", {"password": password}, at=at)


def reset(door: str) -> Step:
    return Step("/auth/reset-password", {"otp": NOT_IT, "password": PASSWORD}, door)


def spend_the_day(app: Flask, email: str) -> None:
    """As if 20 mails had gone to the address today, asked for from everywhere."""
    most, window = budget.TO_ADDRESS.most, budget.TO_ADDRESS.window
    key = throttles.key_of("mail", email.lower())
    within(app, lambda: db.session.merge(Budget(key=key, spent=most, resets_at=clock.now() + window)))


def make_wait(app: Flask, email: str) -> None:
    Guesser(app, email.lower()).makes_the_address_wait()


def fail_in_a_row(app: Flask, email: str) -> None:
    Guesser(app, email.lower()).has_failed_in_a_row(100)


FORGOT = Step("/auth/forgot-password", {})
PASSWORDS = ("eleven blue lanterns", "seventeen red anvils", "nine tall ladders", "forty small bridges")
BY_ID, BY_RESET = "verification_id", "reset_id"
HELD = [login(), login(PASSWORD), login(at="192.0.2.71"), login(PASSWORD, at="192.0.2.72")]

STORIES = {
    "register again and again": Story([register(password) for password in PASSWORDS], 200),
    "register once and ask for mail": Story([register(PASSWORDS[0], pause) for pause in (0, 0, 60, 120, 240)], 200),
    "register when the day's mails are spent": Story([register(PASSWORDS[0])], 200, spend_the_day),
    "verify by address": Story([verify()] * 6, 429),
    "verify by id": Story([register(PASSWORDS[0]), *[verify(BY_ID)] * 6], 429),
    "verify alone": Story([verify("")] * 11, 429),
    "resend by address": Story([resend(pause) for pause in (0, 60, 120, 240, 480)], 200),
    "resend by id": Story([register(PASSWORDS[0]), *(resend(pause, BY_ID) for pause in (0, 60, 120, 240))], 200),
    "resend when the day's mails are spent": Story([resend(0), resend(60)], 200, spend_the_day),
    "login": Story([*[login()] * 5, login(), login(PASSWORD)], 429),
    "login with the password": Story([login(PASSWORD)] * 6, 429, states=SHUT_OUT),
    "login while the address waits": Story(HELD, 429, make_wait),
    "login after a hundred in a row": Story(HELD, 429, fail_in_a_row),
    "forget again and again": Story([FORGOT] * 5, 200),
    "forget when the day's mails are spent": Story([FORGOT] * 2, 200, spend_the_day),
    "reset by address": Story([FORGOT, *[reset("email")] * 6], 429),
    "reset by id": Story([FORGOT, *[reset(BY_RESET)] * 6], 429),
}


# These differ from others in what is asked, not in what the database does for it.
ON_ONE_DATABASE = {
    *("verify alone", "resend by id", "reset by id", "login with the password", "login after a hundred in a row"),
    *(name for name in STORIES if name.endswith("spent")),
}
TOLD = [
    pytest.param(database, story, id=f"{database}-{name}")
    for name, story in STORIES.items()
    for database in (["sqlite"] if name in ON_ONE_DATABASE else databases())
]


@pytest.mark.parametrize(("database", "story"), TOLD, indirect=["database"])
def test_whoever_an_address_belongs_to_it_is_answered_alike_throttled_or_not(
    app: Flask, client: FlaskClient, people: People, story: Story
) -> None:
    fill(app, people)
    strangers = list(askers(client, story.states))
    for asker in strangers:
        story.given(app, asker.email)
    watch, held = Watch(app), set()
    for step in story.steps:
        clock.travel(timedelta(seconds=step.pause))
        alike = [watch.sees(partial(step.by, asker)) for asker in strangers]
        differ = {asker.email: one for asker, one in zip(strangers, alike, strict=True) if one != alike[0]}
        assert differ == {}, alike[0]
        if alike[0][0][0] == 429:
            held.add(str(alike[0][0]))
    assert alike[0][0][0] == story.last
    assert len(held) <= 1, "whoever waits is told one thing, right or wrong"


@ON_SQLITE
def test_every_public_call_that_takes_an_address_or_a_code_has_a_story_for_each_of_its_doors(app: Flask) -> None:
    told = {(step.path, name) for story in STORIES.values() for step in story.steps for name in step.names}

    asked = {
        (route.path, name) for route in open_routes(app) for name in route.of_kind(EmailField, CodeField, DoorField)
    }
    assert ("/auth/login", "email") in asked
    assert asked - told == set()


@ON_SQLITE
def test_what_else_strangers_can_send_are_secrets_of_256_bits(app: Flask) -> None:
    paths = {step.path for story in STORIES.values() for step in story.steps}
    names = {name for route in open_routes(app) if route.path not in paths for name in route.names}

    assert names == {"token", "refresh_token"}


def open_routes(app: Flask) -> list[Route]:
    return [route for route in routes(app) if route.access != "guarded"]


SAID: list[Any] = [register(PASSWORDS[0]), verify(), resend(0), login(PASSWORD + "?"), FORGOT, reset("email")]


@pytest.mark.parametrize("step", SAID, ids=[step.path for step in SAID])
def test_an_answer_says_nothing_of_whether_somebody_is_there(client: FlaskClient, people: People, step: Step) -> None:
    email = people.joined().email
    answer = step.by(Asker(client, email))

    for word in (email, "exist", "already", "Grace", "user"):
        assert word not in answer.text
    assert "Set-Cookie" not in answer.headers
