"""Limits on the mails that unauthenticated clients can send to one email address."""

from datetime import timedelta
from functools import partial

from flask import Flask
from sqlalchemy import select
from tests.registration.helpers import (
    GRACE_EMAIL,
    INVALID_CODE,
    code_for_id,
    register,
    resend,
    start_registration,
    unused_ip,
    verify,
)
from tests.support.db_snapshot import sent_mail_count
from tests.support.inspect import error_of, in_transaction, query_all, run_concurrently
from tests.support.users import CLIENT_IP, OTHER_IP, THIRD_IP, Mailbox, UserFactory

from flaskauth.core import clock
from flaskauth.mail import rate_limits as mail_limits
from flaskauth.mail.models import SUPPRESSED, OutboxMail

WORDS = ("seven", "eleven", "thirteen", "seventeen", "nineteen", "twenty")


def register_repeatedly(users: UserFactory, number: int, at: str = CLIENT_IP) -> list[str]:
    """Register repeatedly, each time with a different password, and return the verification ids."""
    responses = [register(users.client, at=at, password=f"{prefix} green kettles {at}") for prefix in WORDS[:number]]
    return [response.get_json()["verification_id"] for response in responses]


def test_mail_rate_limit_is_three_per_hour_per_network(app: Flask, users: UserFactory) -> None:
    register_repeatedly(users, 4, CLIENT_IP)
    assert sent_mail_count(app) == 3
    assert len(query_all(app, select(OutboxMail).where(OutboxMail.state == SUPPRESSED))) == 1

    register_repeatedly(users, 1, OTHER_IP)
    assert sent_mail_count(app) == 4
    clock.travel(timedelta(hours=1))
    register_repeatedly(users, 4, CLIENT_IP)
    assert sent_mail_count(app) == 7


def test_concurrent_registers_respect_mail_rate_limit(app: Flask) -> None:
    requests = [partial(register, app.test_client(), password=f"{prefix} green kettles") for prefix in WORDS]
    statuses = {response.status_code for response in run_concurrently(requests)}

    assert 200 in statuses <= {200, 503}
    assert sent_mail_count(app) <= 3


def test_resend_counts_toward_mail_rate_limit(app: Flask, users: UserFactory) -> None:
    registration = start_registration(users)
    for seconds in (60, 120, 240):
        clock.travel(timedelta(seconds=seconds))
        resend(users.client, CLIENT_IP, verification_id=registration.id)

    assert sent_mail_count(app) == 3
    assert resend(users.client, CLIENT_IP, verification_id=registration.id) == 480


def test_mail_rate_limit_is_20_per_day_per_email(app: Flask, users: UserFactory) -> None:
    in_transaction(app, lambda: use_daily_mails(18))
    for _ in range(3):
        register_repeatedly(users, 1, unused_ip())
    assert sent_mail_count(app) == 2

    clock.travel(timedelta(days=1))
    register_repeatedly(users, 1, unused_ip())
    assert sent_mail_count(app) == 3


def use_daily_mails(count: int) -> None:
    """Count mails to the email address, each requested by a different network."""
    for index in range(count):
        assert mail_limits.reserve(GRACE_EMAIL, f"network {index}", is_recognised=False)


def test_recognised_networks_have_five_extra_mails_per_day(app: Flask, users: UserFactory) -> None:
    grace = users.create_verified(at=CLIENT_IP)
    for at in (CLIENT_IP, OTHER_IP, THIRD_IP):
        assert grace.login(at=at).status_code == 200
    in_transaction(app, lambda: use_daily_mails(19))
    before = sent_mail_count(app)

    register_repeatedly(users, 1, unused_ip())
    assert sent_mail_count(app) == before
    for at, number in ((CLIENT_IP, 2), (OTHER_IP, 3), (THIRD_IP, 1)):
        register_repeatedly(users, number, at)
    assert sent_mail_count(app) == before + 5


def test_code_of_suppressed_mail_is_rejected(app: Flask, users: UserFactory) -> None:
    registration = start_registration(users, at=CLIENT_IP)
    verification_id = create_suppressed_registration(app, users)
    code = code_for_id(app, verification_id)

    for identifier in ({"verification_id": verification_id}, {"email": GRACE_EMAIL}, {}):
        assert error_of(verify(users.client, code, **identifier)) == INVALID_CODE
    assert verify(users.client, registration.code).status_code == 200


def test_suppressed_registration_is_verified_after_resend(app: Flask, users: UserFactory, mailbox: Mailbox) -> None:
    verification_id = create_suppressed_registration(app, users)
    unsent_code = code_for_id(app, verification_id)
    clock.travel(timedelta(seconds=60))
    resend(users.client, CLIENT_IP, verification_id=verification_id)
    code = mailbox.code(GRACE_EMAIL)

    assert code != unsent_code
    assert error_of(verify(users.client, unsent_code, verification_id=verification_id)) == INVALID_CODE
    assert verify(users.client, code, verification_id=verification_id).status_code == 200


def create_suppressed_registration(app: Flask, users: UserFactory) -> str:
    """Register from a network that has used up its three mails, and return the verification id."""
    in_transaction(app, lambda: [mail_limits.reserve(GRACE_EMAIL, OTHER_IP, is_recognised=False) for _ in range(3)])
    [verification_id] = register_repeatedly(users, 1, OTHER_IP)
    assert query_all(app, select(OutboxMail.state).order_by(OutboxMail.id))[-1] == SUPPRESSED
    return verification_id
