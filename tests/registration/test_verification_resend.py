"""Resend: growing intervals, an unchanged code while it is valid long enough, and only the newest code is valid."""

from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from tests.registration.helpers import (
    GRACE_EMAIL,
    INVALID_CODE,
    PendingRegistration,
    resend,
    start_registration,
    unused_ip,
    verify,
)
from tests.support.db_snapshot import sent_mail_count, wait_for_outbox
from tests.support.inspect import error_of, run_concurrently
from tests.support.users import CLIENT_IP, OTHER_IP, Mailbox, UserFactory, code_in_mail

from flaskauth.core import clock


def advance_clock(**duration: int) -> None:
    clock.travel(timedelta(**duration))


def test_resend_by_id_returns_doubling_wait(app: Flask, users: UserFactory) -> None:
    registration = start_registration(users)
    waits, mails = [], []
    for seconds in (0, 20, 40, 0, 120, 240, 480):
        advance_clock(seconds=seconds)
        waits.append(resend(users.client, unused_ip(), verification_id=registration.id))
        mails.append(sent_mail_count(app))

    assert waits == [60, 40, 120, 120, 240, 480, 960]
    assert mails == [1, 1, 2, 2, 3, 4, 5]


def test_resend_by_email_always_returns_60_seconds(app: Flask, users: UserFactory) -> None:
    start_registration(users)
    waits, mails = [], []
    for seconds in (0, 60, 60, 60, 240):
        advance_clock(seconds=seconds)
        waits.append(resend(users.client, unused_ip(), email=GRACE_EMAIL))
        mails.append(sent_mail_count(app))

    assert waits == [60] * 5
    assert mails == [1, 2, 2, 3, 4]


def test_resend_by_rate_limited_network_keeps_turn_of_user(app: Flask, users: UserFactory) -> None:
    registration, other_ip = start_registration(users), unused_ip()
    for seconds in (60, 120, 240, 480, 960):
        advance_clock(seconds=seconds)
        resend(users.client, other_ip, email=GRACE_EMAIL)
        wait_for_outbox(app)
    assert sent_mail_count(app) == 1 + 3  # the first mail, and the hourly limit of one network for this address

    assert resend(users.client, verification_id=registration.id) == 960  # resends by id have their own schedule
    assert sent_mail_count(app) == 1 + 3 + 1


def test_concurrent_resends_send_one_mail(app: Flask, users: UserFactory) -> None:
    registration = start_registration(users)
    advance_clock(seconds=60)
    requests = [partial(resend, app.test_client(), unused_ip(), verification_id=registration.id) for _ in range(6)]

    assert run_concurrently(requests) == [120] * 6
    assert sent_mail_count(app) == 2


def resend_and_read_code(users: UserFactory, registration: PendingRegistration, count: int = 2) -> str:
    """Request a resend and return the code in the mail."""
    resend(users.client, verification_id=registration.id)
    return code_in_mail(users.mailbox.wait(count, to=registration.email)[0])


def test_resend_keeps_code_while_three_minutes_remain(users: UserFactory) -> None:
    registration = start_registration(users)
    advance_clock(minutes=6, seconds=50)

    assert resend_and_read_code(users, registration) == registration.code
    advance_clock(minutes=3)
    assert verify(users.client, registration.code, verification_id=registration.id).status_code == 200


@pytest.mark.parametrize("method", ["by id", "by email", "by code"])
def test_resend_near_expiry_replaces_the_code(users: UserFactory, method: str) -> None:
    registration = start_registration(users)
    advance_clock(minutes=7, seconds=1)
    newer = resend_and_read_code(users, registration)

    assert newer != registration.code
    assert error_of(verify(users.client, registration.code, **registration.identifier(method))) == INVALID_CODE
    assert verify(users.client, newer, **registration.identifier(method)).status_code == 200


def test_resent_code_expires_with_the_registration(users: UserFactory) -> None:
    registration = start_registration(users)
    advance_clock(hours=23, minutes=55)
    newer = resend_and_read_code(users, registration)

    advance_clock(minutes=5)
    assert error_of(verify(users.client, newer, verification_id=registration.id)) == INVALID_CODE
    assert resend(users.client, verification_id=registration.id) == 60
    assert count_mails_after_expiry(users) == 2


def count_mails_after_expiry(users: UserFactory) -> int:
    advance_clock(hours=1)
    resend(users.client, email=GRACE_EMAIL)
    return sent_mail_count(users.client.application)


def test_resend_by_email_uses_newest_of_client_network(users: UserFactory, mailbox: Mailbox) -> None:
    first, second = (
        start_registration(users, at=CLIENT_IP),
        start_registration(users, at=CLIENT_IP, password="nine tall ladders"),
    )
    other = start_registration(users, at=OTHER_IP, password="eleven blue lanterns")
    advance_clock(seconds=60)

    for at, expected, count in ((CLIENT_IP, second, 4), (OTHER_IP, other, 5), (unused_ip(), None, 5)):
        resend(users.client, at, email=GRACE_EMAIL)
        mails = mailbox.wait(count)
        assert len(mails) == count
        if expected:
            assert code_in_mail(mails[0]) == expected.code != first.code


def test_resend_from_other_network_uses_newest_of_all(users: UserFactory, mailbox: Mailbox) -> None:
    start_registration(users, at=CLIENT_IP)
    newest = start_registration(users, at=OTHER_IP, password="eleven blue lanterns")
    advance_clock(seconds=60)
    resend(users.client, unused_ip(), email=GRACE_EMAIL)

    assert code_in_mail(mailbox.wait(3)[0]) == newest.code


def test_resend_after_verification_sends_nothing(app: Flask, users: UserFactory) -> None:
    registration = start_registration(users)
    verify(users.client, registration.code)
    advance_clock(minutes=5)

    assert resend(users.client, verification_id=registration.id) == resend(users.client, email=GRACE_EMAIL) == 60
    assert sent_mail_count(app) == 1
