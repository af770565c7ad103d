"""Limits on the mails that unauthenticated clients can send to one email address."""

from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.registration.helpers import (
    GRACE_EMAIL,
    INVALID_CODE,
    VERIFICATION_AMBIGUOUS,
    code_for_id,
    register,
    resend,
    start_registration,
    unused_ip,
    verify,
)
from tests.support.db_snapshot import sent_mail_count
from tests.support.inspect import error_of, in_transaction, query_all, run_concurrently
from tests.support.users import CLIENT_IP, OTHER_IP, THIRD_IP, Mailbox, UserFactory, forwarded_for

from flaskauth.core import clock
from flaskauth.core.ids import new_id
from flaskauth.mail import rate_limits as mail_limits
from flaskauth.mail.models import SUPPRESSED, OutboxMail

WORDS = ("seven", "eleven", "thirteen", "seventeen", "nineteen", "twenty")
AT_CLIENT = forwarded_for(CLIENT_IP)


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


@pytest.mark.parametrize(
    "emails",
    [
        ["grace+1@example.com", "grace+2@example.com", "grace@example.com", "GRACE+a+b@example.com"],
        ["g.race@example.com", "gr.ace@example.com", "gra.ce+x@example.com", "grace@example.com"],
    ],
)
def test_mail_rate_limit_ignores_tags_and_dots(app: Flask, client: FlaskClient, emails: list[str]) -> None:
    for number, email in enumerate(emails):
        assert register(client, email, password=f"{WORDS[number]} green kettles").status_code == 200
    assert sent_mail_count(app) == 3

    forgot = [client.post("/auth/forgot-password", json={"email": email}, headers=AT_CLIENT) for email in emails]
    assert {response.status_code for response in forgot} == {200}
    assert sent_mail_count(app) == 3


def test_mail_rate_limit_with_tags_is_20_per_day(app: Flask, client: FlaskClient) -> None:
    in_transaction(app, lambda: use_daily_mails(18))
    for number in range(4):
        register(client, f"grace+{number}@example.com", unused_ip())

    assert sent_mail_count(app) == 2


@pytest.mark.parametrize(("limit", "window"), [("2/hour", timedelta(hours=1)), ("9/hour; 2/day", timedelta(days=1))])
def test_mails_of_a_network_are_limited(make_app: MakeApp, limit: str, window: timedelta) -> None:
    app = make_app(RATE_LIMIT_MAIL=limit)
    client = app.test_client()
    for name in ("ada", "grace", "alan"):
        register(client, f"{name}@example.com")
    assert sent_mail_count(app) == 2
    register(client, "edsger@example.net", OTHER_IP)
    assert sent_mail_count(app) == 3

    clock.travel(window)
    register(client, "barbara@example.org")
    assert sent_mail_count(app) == 4


def test_mail_limit_of_network_is_60_per_hour_and_200_per_day(app: Flask) -> None:
    counts = in_transaction(app, lambda: [reserve_for_many_addresses() for _ in range(4)])

    assert counts == [60, 60, 60, 20]


def reserve_for_many_addresses() -> int:
    """Count 70 mails to different addresses, an hour after the last ones. Return how many were allowed."""
    clock.travel(timedelta(hours=1))
    return sum(mail_limits.reserve(f"{new_id()}@example.com", CLIENT_IP, is_recognised=False) for _ in range(70))


def test_suppressed_mail_uses_no_other_limit(app: Flask, client: FlaskClient) -> None:
    """An attacker over the limit of a network cannot use up the daily mails of an address."""
    in_transaction(app, reserve_for_many_addresses)
    for number in range(3):
        register(client, password=f"{WORDS[number]} green kettles")
    assert sent_mail_count(app) == 0
    in_transaction(app, lambda: use_daily_mails(20))


def test_verified_registrations_use_no_mails_of_network(make_app: MakeApp) -> None:
    app = make_app(RATE_LIMIT_MAIL="2/hour; 2/day")
    users = UserFactory(app)
    for name in ("ada", "grace", "alan"):
        users.create_verified(f"{name}@example.com")
    before = sent_mail_count(app)

    for name in ("edsger", "barbara", "donald"):
        register(users.client, f"{name}@example.com")
    assert sent_mail_count(app) == before + 2


def test_device_token_has_five_extra_reset_mails_per_day(app: Flask, users: UserFactory) -> None:
    device_token = users.create_verified().login_ok()["device_token"]
    in_transaction(app, lambda: use_daily_mails(19))
    before = sent_mail_count(app)

    for token in ("", "not-the-token", device_token, device_token):
        fields = {"email": GRACE_EMAIL, **({"device_token": token} if token else {})}
        response = users.client.post("/auth/forgot-password", json=fields, headers=forwarded_for(unused_ip()))
        assert response.status_code == 200
    assert sent_mail_count(app) == before + 2


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
    assert error_of(verify(users.client, registration.code)) == VERIFICATION_AMBIGUOUS
    assert verify(users.client, registration.code, verification_id=registration.id).status_code == 200


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
