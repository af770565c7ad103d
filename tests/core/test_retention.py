"""Retention: expired rows are deleted when their retention period ends, and not earlier."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, insert, select, update
from tests.conftest import MakeApp
from tests.support.inspect import execute_statement, query_all
from tests.support.users import Mailbox, UserFactory, bearer

from flaskauth.accounts.models import User
from flaskauth.app import purge
from flaskauth.audit.models import AuditEvent
from flaskauth.core import clock
from flaskauth.core.db.types import Base
from flaskauth.core.jobs import background
from flaskauth.mail.models import DISCARDED, FAILED, QUEUED, SENT, SUPPRESSED, OutboxMail
from flaskauth.one_time_codes.models import OneTimeCode
from flaskauth.rate_limits.models import RateLimitCounter
from flaskauth.registration.models import Registration
from flaskauth.sessions.models import Device, Session
from flaskauth.settings import SettingsError

DAY = timedelta(days=1)
MARGIN = timedelta(minutes=5)


def count_rows(app: Flask, table: type[Base]) -> int:
    [count] = query_all(app, select(func.count()).select_from(table))
    return int(count)


def rows_left_after(app: Flask, table: type[Base], after: timedelta) -> int:
    """Return the number of rows after a purge at this time from now."""
    clock.travel(after)
    with app.app_context():
        purge()
    count = count_rows(app, table)
    clock.travel(-after)
    return count


def is_purged_after(app: Flask, table: type[Base], age: timedelta) -> bool:
    """Return True if the rows exist until this age, within a margin of 5 minutes, and are deleted afterwards."""
    before, after = rows_left_after(app, table, age - MARGIN), rows_left_after(app, table, age + MARGIN)
    return before > 0 and after == 0


@pytest.fixture(autouse=True)
def without_scheduler(app: Flask, users: UserFactory, mailbox: Mailbox) -> None:
    """Create a pending registration and a logged-in user, then stop the schedule so that only the test purges."""
    users.register("ada@example.com")
    users.create_verified().login_ok()
    mailbox.wait(2)
    app.extensions[background.KEY].stop()


def test_purge_pending_registrations_one_day_after_expiry(app: Flask) -> None:
    assert is_purged_after(app, Registration, DAY * 2)


def test_purge_one_time_codes_one_week_after_expiry(app: Flask) -> None:
    assert is_purged_after(app, OneTimeCode, DAY * 8)


@pytest.mark.parametrize("state", [SENT, DISCARDED, SUPPRESSED])
def test_purge_sent_and_discarded_mail_after_one_week(app: Flask, state: str) -> None:
    execute_statement(app, update(OutboxMail).values(state=state))

    assert is_purged_after(app, OutboxMail, DAY * 7)


def test_purge_failed_mail_after_30_days(app: Flask) -> None:
    execute_statement(app, update(OutboxMail).values(state=FAILED))

    assert is_purged_after(app, OutboxMail, DAY * 30)


def test_purge_keeps_queued_mail(app: Flask) -> None:
    execute_statement(app, update(OutboxMail).values(state=QUEUED))

    assert rows_left_after(app, OutboxMail, DAY * 365) == 2


def test_purge_sessions_30_days_after_expiry(app: Flask) -> None:
    assert is_purged_after(app, Session, DAY * 60)


def test_purge_revoked_session_30_days_after_logout(app: Flask, users: UserFactory) -> None:
    body = {"email": "grace@example.com", "password": "seven green kettles"}
    token = users.client.post("/auth/login", json=body).get_json()["token"]
    users.client.delete("/auth/sessions", headers=bearer(token))
    users.client.post("/auth/logout", headers=bearer(token))

    assert is_purged_after(app, Session, DAY * 30)


def test_purge_devices_180_days_after_last_use(app: Flask) -> None:
    assert is_purged_after(app, Device, DAY * 180)


@pytest.mark.parametrize("table", [Session, Device])
def test_purge_keeps_active_sessions_and_devices(app: Flask, table: type[Base]) -> None:
    assert rows_left_after(app, table, DAY * 29) == 1


def test_purge_rate_limit_counters_after_their_window(app: Flask) -> None:
    assert rows_left_after(app, RateLimitCounter, DAY - MARGIN) > 0
    assert rows_left_after(app, RateLimitCounter, DAY * 4000) == 0


def test_purge_audit_events_after_one_year(app: Flask) -> None:
    assert is_purged_after(app, AuditEvent, DAY * 365)


def test_purge_audit_events_after_configured_days(make_app: MakeApp) -> None:
    app = make_app(AUDIT_RETENTION_DAYS="30")
    app.extensions[background.KEY].stop()

    assert is_purged_after(app, AuditEvent, DAY * 30)


def test_audit_retention_below_30_days_is_rejected(make_app: MakeApp) -> None:
    with pytest.raises(SettingsError, match="AUDIT_RETENTION_DAYS"):
        make_app(AUDIT_RETENTION_DAYS="29")


def test_purge_keeps_users(app: Flask) -> None:
    assert rows_left_after(app, User, DAY * 4000) == 1


def test_purge_deletes_thousands_of_rows_in_batches(app: Flask) -> None:
    rows = [{"key": number.to_bytes(32, "big"), "count": 1, "resets_at": clock.now() + DAY} for number in range(2100)]
    execute_statement(app, insert(RateLimitCounter).values(rows))

    assert rows_left_after(app, RateLimitCounter, DAY * 4000) == 0
