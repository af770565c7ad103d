"""A service that knows what leaked learns five characters of a hash, and its failures keep nobody out or waiting."""

import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from datetime import timedelta
from threading import Thread
from threading import enumerate as enumerate_threads

import pytest
from flask import Flask
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.inside import events, recorded, refused, rows, together
from tests.journal import Journal
from tests.passwords.asking import NEW, WEAK, asked_for, change, reset
from tests.passwords.leaked import KNOWN, TOLD, RangeService, at_rest, name_of
from tests.people import PASSWORD, People
from tests.registration.asking import GRACE_AT, elsewhere, register
from tests.servers import Certificate, free_port

from flaskauth.audit.models import AuditEvent
from flaskauth.foundation import clock
from flaskauth.foundation.db import db

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
FRESH = "fourteen unheard trombones"
BOUND = 5.0  # seconds: the deadline of 1.5, and a slow machine


@pytest.fixture
def service() -> Iterator[RangeService]:
    with RangeService(KNOWN) as found:
        yield found


@pytest.fixture
def journal() -> Iterator[Journal]:
    with redirect_stderr(Journal()) as found:
        yield found


@pytest.fixture
def app(journal: Journal, service: RangeService, make_app: MakeApp) -> Flask:
    return make_app(BREACHED_PASSWORDS=f"{service.root}/")


def test_what_it_knows_is_refused_at_every_door(app: Flask, people: People) -> None:
    grace = people.joined()
    asked = asked_for(people)
    answers = [
        register(people.client, password=KNOWN),
        reset(people.client, asked.code, password=KNOWN, reset_id=asked.id),
        change(people.client, grace.signed_in()["token"], PASSWORD, KNOWN),
    ]

    assert [refused(answer) for answer in answers] == [WEAK] * 3
    assert {str(answer.get_json()["errors"]) for answer in answers} == {str(TOLD)}
    assert reset(people.client, asked.code, reset_id=asked.id).status_code == 200
    assert events(app, "breach_check_failed") == []


@ON_SQLITE
def test_five_characters_of_a_hash_leave_this_machine(
    app: Flask, service: RangeService, people: People, journal: Journal
) -> None:
    people.pending(password=FRESH)
    refused(register(people.client, password=KNOWN))

    assert service.asked == [f"GET /range/{name_of(password)[:5]}" for password in (FRESH, KNOWN)]
    for headers in service.headers:
        assert headers["Add-Padding"] == "true"
        assert set(headers) == {"Host", "Accept-Encoding", "Add-Padding", "User-Agent", "Connection"}
        assert not [value for value in headers.values() if "grace" in value or FRESH in value]


@ON_SQLITE
def test_padding_is_not_taken_for_knowledge(app: Flask, service: RangeService, people: People) -> None:
    service.mood = service.pads

    assert register(people.client, password=KNOWN).status_code == 200
    assert events(app, "breach_check_failed") == []


@ON_SQLITE
def test_it_is_asked_for_known_and_unknown_people_and_not_about_what_is_weak_anyway(
    app: Flask, service: RangeService, people: People
) -> None:
    people.joined()
    service.asked.clear()
    for email in (GRACE_AT, "stranger@example.com"):
        register(people.client, email, password=FRESH)
    assert len(set(service.asked)) == 1
    assert len(service.asked) == 2
    register(people.client, password="password")
    assert len(service.asked) == 2


MOODS = {
    "sleeps": "TimeoutError",
    "drips": "TimeoutError",
    "drips_a_body": "TimeoutError",
    "fails": "status 500",
    "is_a_page": "not a range",
    "is_empty": "not a range",
    "is_noise": "BadStatusLine",
    "overflows": "too long",
    "breaks_off": "cut short",
    "leads_elsewhere": "status 302",
}


@ON_SQLITE
@pytest.mark.parametrize(("mood", "reason"), MOODS.items())
def test_whatever_it_does_nobody_is_kept_out_or_waits_for_long(
    app: Flask, service: RangeService, people: People, mood: str, reason: str
) -> None:
    service.mood = getattr(service, mood)
    began = time.monotonic()

    assert register(people.client, password=KNOWN).status_code == 200
    assert time.monotonic() - began < BOUND
    assert recorded(app, "breach_check_failed").details == {"reason": reason}
    assert [path for path in service.asked if "elsewhere" in path] == []


def test_while_it_is_away_every_door_is_open(make_app: MakeApp) -> None:
    app = make_app(BREACHED_PASSWORDS=f"http://127.0.0.1:{free_port()}")
    people = People(app)
    grace = people.joined(password=KNOWN)
    asked = asked_for(people)

    assert reset(people.client, asked.code, password=KNOWN, reset_id=asked.id).status_code == 200
    assert change(people.client, grace.signed_in()["token"], KNOWN, NEW).status_code == 200
    assert recorded(app, "breach_check_failed").details == {"reason": "ConnectionRefusedError"}


@ON_SQLITE
def test_a_stranger_in_its_place_is_told_nothing(make_app: MakeApp) -> None:
    """Nobody this machine trusts has signed the certificate."""
    with RangeService(KNOWN, tls=Certificate().for_server()) as service:
        app = make_app(BREACHED_PASSWORDS=service.root)
        assert register(app.test_client(), password=KNOWN).status_code == 200

        assert service.asked == []
        assert recorded(app, "breach_check_failed").details == {"reason": "SSLCertVerificationError"}


@ON_SQLITE
def test_after_a_failure_it_is_left_alone_for_ten_seconds(app: Flask, service: RangeService, people: People) -> None:
    service.mood = service.fails
    register(people.client, at=elsewhere(), password=KNOWN)
    service.mood = service.answers
    clock.travel(timedelta(seconds=4))  # a slow machine has the rest
    assert register(people.client, at=elsewhere(), password=KNOWN).status_code == 200
    assert len(service.asked) == 1
    clock.travel(timedelta(seconds=6))
    assert refused(register(people.client, at=elsewhere(), password=KNOWN)) == WEAK


@ON_SQLITE
def test_a_clock_that_is_set_back_does_not_leave_it_alone_for_longer(
    app: Flask, service: RangeService, people: People
) -> None:
    service.mood = service.fails
    register(people.client, password=KNOWN)
    service.mood = service.answers
    clock.travel(timedelta(hours=-1))

    assert refused(register(people.client, at=elsewhere(), password=KNOWN)) == WEAK


@ON_SQLITE
def test_an_outage_is_told_once_a_minute(app: Flask, service: RangeService, people: People) -> None:
    service.mood = service.fails
    for _ in range(4):
        register(people.client, at=elsewhere(), password=KNOWN)
        clock.travel(timedelta(seconds=11))

    assert len(service.asked) == 4
    assert recorded(app, "breach_check_failed").details == {"reason": "status 500"}


def test_no_connection_is_held_while_it_thinks(app: Flask, service: RangeService, people: People) -> None:
    """A slow service must not become a slow database."""
    people.joined()
    ada = people.joined("ada@example.com").signed_in()["token"]
    asked = asked_for(people)
    at_rest(app)
    service.mood = service.sleeps
    for choose in (
        lambda: register(app.test_client(), at=elsewhere(), password=KNOWN),
        lambda: reset(app.test_client(), asked.code, password=KNOWN, reset_id=asked.id),
        lambda: change(app.test_client(), ada, PASSWORD, KNOWN),
    ):
        assert held_meanwhile(app, service, choose) == 0


def held_meanwhile(app: Flask, service: RangeService, choose: Callable[[], object]) -> int:
    """How many connections are in use while the service is asked."""
    clock.travel(timedelta(seconds=11))
    service.arrived.clear()
    waiting = Thread(target=choose)
    waiting.start()
    assert service.arrived.wait(10)
    with app.app_context():
        held: int = db.engine.pool.checkedout()  # type: ignore[attr-defined]
    waiting.join()
    return held


@ON_SQLITE
def test_many_at_once_wait_no_longer_than_one(app: Flask, service: RangeService) -> None:
    service.mood = service.drips
    began = time.monotonic()
    answers = together([lambda: register(app.test_client(), at=elsewhere(), password=KNOWN) for _ in range(8)])

    assert time.monotonic() - began < 2 * BOUND
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert len(service.asked) <= 8


@ON_SQLITE
def test_whoever_never_ends_is_hung_up_on(app: Flask, service: RangeService, people: People) -> None:
    service.mood = service.drips
    register(people.client, password=KNOWN)

    for _ in range(500):
        if not [thread for thread in enumerate_threads() if thread.name == "breaches"]:
            return
        time.sleep(0.01)
    raise AssertionError("a conversation goes on for ever")


@ON_SQLITE
@pytest.mark.parametrize("mood", ["answers", "fails"])
def test_log_and_trail_tell_nothing_of_the_password(
    app: Flask, service: RangeService, people: People, journal: Journal, mood: str
) -> None:
    service.mood = getattr(service, mood)
    register(people.client, password=KNOWN)
    told = journal.getvalue() + " ".join(str(vars(event)) for event in rows(app, select(AuditEvent)))

    for secret in (KNOWN, name_of(KNOWN)[:5], name_of(KNOWN)[5:], service.root):
        assert secret.lower() not in told.lower()
