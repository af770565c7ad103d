"""What is over is deleted, when it is due and not before."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, insert, select, update
from tests.conftest import MakeApp
from tests.inside import change, rows
from tests.people import Mailbox, People, bearer

from flaskauth.accounts.models import User
from flaskauth.app import purge
from flaskauth.audit.models import AuditEvent
from flaskauth.codes.models import OneTimeCode
from flaskauth.foundation import clock, jobs
from flaskauth.foundation.columns import Base
from flaskauth.mail.models import DEAD, DROPPED, QUEUED, SENT, WITHHELD, OutboxMail
from flaskauth.registration.models import Registration
from flaskauth.sessions.models import Device, Session
from flaskauth.settings import SettingsError
from flaskauth.throttles.models import Budget

DAY = timedelta(days=1)
MOMENT = timedelta(minutes=5)


def counted(app: Flask, table: type[Base]) -> int:
    [found] = rows(app, select(func.count()).select_from(table))
    return int(found)


def left(app: Flask, table: type[Base], after: timedelta) -> int:
    """How many rows there are once so long a time has gone by."""
    clock.travel(after)
    with app.app_context():
        purge()
    found = counted(app, table)
    clock.travel(-after)
    return found


def goes_after(app: Flask, table: type[Base], age: timedelta) -> bool:
    """Whether its rows stay for so long, and then are gone."""
    stays, goes = left(app, table, age - MOMENT), left(app, table, age + MOMENT)
    return stays > 0 and goes == 0


@pytest.fixture(autouse=True)
def without_a_schedule(app: Flask, people: People, mailbox: Mailbox) -> None:
    """Somebody registers and joins; from then on only the test purges."""
    people.pending("ada@example.com")
    people.joined().signed_in()
    mailbox.wait(2)
    app.extensions[jobs.KEY].stop()


def test_attempts_stay_for_a_day_after_their_end(app: Flask) -> None:
    assert goes_after(app, Registration, DAY * 2)


def test_codes_stay_for_a_week_after_their_end(app: Flask) -> None:
    assert goes_after(app, OneTimeCode, DAY * 8)


@pytest.mark.parametrize("state", [SENT, DROPPED, WITHHELD])
def test_mails_stay_for_a_week(app: Flask, state: str) -> None:
    change(app, update(OutboxMail).values(state=state))

    assert goes_after(app, OutboxMail, DAY * 7)


def test_mails_that_could_not_be_delivered_stay_for_a_month(app: Flask) -> None:
    change(app, update(OutboxMail).values(state=DEAD))

    assert goes_after(app, OutboxMail, DAY * 30)


def test_mails_that_wait_stay(app: Flask) -> None:
    change(app, update(OutboxMail).values(state=QUEUED))

    assert left(app, OutboxMail, DAY * 365) == 2


def test_sessions_stay_for_a_month_after_their_end(app: Flask) -> None:
    assert goes_after(app, Session, DAY * 60)


def test_a_session_that_was_ended_stays_for_a_month(app: Flask, people: People) -> None:
    body = {"email": "grace@example.com", "password": "seven green kettles"}
    token = people.client.post("/auth/login", json=body).get_json()["token"]
    people.client.delete("/auth/sessions", headers=bearer(token))
    people.client.post("/auth/logout", headers=bearer(token))

    assert goes_after(app, Session, DAY * 30)


def test_devices_stay_for_half_a_year_after_their_last_use(app: Flask) -> None:
    assert goes_after(app, Device, DAY * 180)


@pytest.mark.parametrize("still", [Session, Device])
def test_what_is_in_use_stays(app: Flask, still: type[Base]) -> None:
    assert left(app, still, DAY * 29) == 1


def test_budgets_go_when_their_window_is_over(app: Flask) -> None:
    assert left(app, Budget, DAY - MOMENT) > 0
    assert left(app, Budget, DAY * 4000) == 0


def test_events_stay_for_a_year(app: Flask) -> None:
    assert goes_after(app, AuditEvent, DAY * 365)


def test_events_stay_for_as_long_as_is_set(make_app: MakeApp) -> None:
    app = make_app(AUDIT_RETENTION_DAYS="30")
    app.extensions[jobs.KEY].stop()

    assert goes_after(app, AuditEvent, DAY * 30)


def test_less_than_a_month_of_events_is_no_trail(make_app: MakeApp) -> None:
    with pytest.raises(SettingsError, match="AUDIT_RETENTION_DAYS"):
        make_app(AUDIT_RETENTION_DAYS="29")


def test_people_stay(app: Flask) -> None:
    assert left(app, User, DAY * 4000) == 1


def test_thousands_go_in_steps(app: Flask) -> None:
    many = [{"key": number.to_bytes(32, "big"), "spent": 1, "resets_at": clock.now() + DAY} for number in range(2100)]
    change(app, insert(Budget).values(many))

    assert left(app, Budget, DAY * 4000) == 0
