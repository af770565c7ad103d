"""Attempt limits per verification method, mail limits per email address, and concurrent use of reset codes."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.passwords.helpers import (
    NEW_PASSWORD,
    RESET_METHODS,
    forgot_password,
    request_reset,
    reset_password,
    submit_wrong_reset_codes,
)
from tests.registration.helpers import (
    ATTEMPTS_EXHAUSTED,
    GRACE_EMAIL,
    INVALID_CODE,
    WRONG_CODE,
    code_for_id,
    submit_wrong_codes,
)
from tests.support.db_snapshot import sent_mail_count
from tests.support.inspect import audit_events, error_of, query_all, run_concurrently
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, THIRD_IP, Mailbox, UserFactory, forwarded_for

from flaskauth.core import clock
from flaskauth.mail.models import SUPPRESSED, OutboxMail

BURST = 30


def test_reset_by_id_allows_five_attempts(users: UserFactory) -> None:
    users.create_verified()
    reset = request_reset(users)
    assert submit_wrong_reset_codes(users.client, 5, reset_id=reset.id) == [401] * 5

    response = reset_password(users.client, reset.code, THIRD_IP, reset_id=reset.id)
    assert error_of(response) == ATTEMPTS_EXHAUSTED
    assert 500 < response.get_json()["retry_after"] <= 600
    assert reset_password(users.client, reset.code, email=GRACE_EMAIL).status_code == 200


def test_reset_by_email_allows_five_per_network_and_ten_total(users: UserFactory) -> None:
    users.create_verified()
    reset = request_reset(users)
    assert submit_wrong_reset_codes(users.client, 6, CLIENT_IP, email=GRACE_EMAIL) == [401] * 5 + [429]
    assert submit_wrong_reset_codes(users.client, 6, OTHER_IP, email=GRACE_EMAIL) == [401] * 5 + [429]

    response = reset_password(users.client, reset.code, THIRD_IP, email=GRACE_EMAIL)
    assert error_of(response) == ATTEMPTS_EXHAUSTED
    assert 3540 < response.get_json()["retry_after"] <= 3600
    assert reset_password(users.client, reset.code, CLIENT_IP, reset_id=reset.id).status_code == 200


def test_registration_attempts_do_not_count_for_reset(users: UserFactory) -> None:
    users.create_verified()
    reset = request_reset(users)
    submit_wrong_codes(users.client, 6, email=GRACE_EMAIL)

    assert reset_password(users.client, reset.code, email=GRACE_EMAIL).status_code == 200


def test_reset_request_of_other_network_keeps_code_valid(users: UserFactory) -> None:
    users.create_verified()
    reset = request_reset(users)
    request_reset(users, at=OTHER_IP)

    assert reset_password(users.client, reset.code, email=GRACE_EMAIL).status_code == 200


@pytest.mark.parametrize("method", RESET_METHODS)
def test_concurrent_reset_attempts_stay_within_limit(app: Flask, users: UserFactory, method: str) -> None:
    users.create_verified()
    reset = request_reset(users)
    burst = [partial(reset_password, app.test_client(), WRONG_CODE, **reset.identifier(method)) for _ in range(BURST)]
    counts = Counter(response.status_code for response in run_concurrently(burst))

    assert counts[401] <= 5
    assert set(counts) <= {401, 429, 503}  # under load, requests may be rejected with 503
    submit_wrong_reset_codes(users.client, 5 - counts[401], **reset.identifier(method))
    assert error_of(reset_password(users.client, reset.code, **reset.identifier(method))) == ATTEMPTS_EXHAUSTED
    [other_method] = {*RESET_METHODS} - {method}
    assert reset_password(users.client, reset.code, **reset.identifier(other_method)).status_code == 200


@pytest.mark.parametrize("method", RESET_METHODS)
def test_concurrent_use_of_one_reset_code_succeeds_once(app: Flask, users: UserFactory, method: str) -> None:
    grace = users.create_verified()
    reset = request_reset(users)
    passwords = [f"{NEW_PASSWORD} {number}" for number in range(24)]
    uses = [
        partial(reset_password, app.test_client(), reset.code, password=password, **reset.identifier(method))
        for password in passwords
    ]
    statuses = [response.status_code for response in run_concurrently(uses)]

    assert Counter(statuses)[200] == 1
    assert set(statuses) <= {200, 401, 429, 503}
    assert len(audit_events(app, "password_reset")) == 1
    assert grace.login(passwords[statuses.index(200)]).status_code == 200


def test_concurrent_use_of_two_reset_codes_succeeds_once(app: Flask, users: UserFactory) -> None:
    grace = users.create_verified()
    for _ in range(3):
        resets = [request_reset(users, at=at) for at in (CLIENT_IP, OTHER_IP)]
        passwords = [f"{NEW_PASSWORD} {reset.id}" for reset in resets]
        uses = [
            partial(reset_password, app.test_client(), reset.code, password=password, reset_id=reset.id)
            for reset, password in zip(resets, passwords, strict=True)
        ]
        statuses = [response.status_code for response in run_concurrently(uses)]
        assert sorted(statuses) == [200, 401]
        assert grace.login(passwords[statuses.index(200)]).status_code == 200
        clock.travel(timedelta(hours=1))


def test_reset_mail_rate_limit_is_three_per_hour(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    before = sent_mail_count(app)
    ids = [forgot_password(users.client, at=OTHER_IP).get_json()["reset_id"] for _ in range(4)]

    assert sent_mail_count(app) == before + 3
    assert len(query_all(app, select(OutboxMail).where(OutboxMail.state == SUPPRESSED))) == 1
    assert error_of(reset_password(users.client, code_for_id(app, ids[3]), reset_id=ids[3])) == INVALID_CODE
    assert reset_password(users.client, code_for_id(app, ids[2]), reset_id=ids[2]).status_code == 200


def test_registration_and_reset_share_mail_rate_limit(app: Flask, users: UserFactory, mailbox: Mailbox) -> None:
    users.create_verified()
    for color in ("red", "blue"):
        users.register(at=OTHER_IP, password=f"seventeen {color} anvils")
    for _ in range(2):
        forgot_password(users.client, at=OTHER_IP)

    assert sent_mail_count(app) == 1 + 3
    assert [mail["subject"].startswith("Reset your password") for mail in mailbox.all()].count(True) == 1


def test_forgot_password_rate_limit_is_60_per_network(client: FlaskClient) -> None:
    headers = forwarded_for(CLIENT_IP)
    statuses = [client.post("/auth/forgot-password", headers=headers).status_code for _ in range(61)]

    assert statuses == [415] * 60 + [429]


def test_wrong_reset_codes_cause_no_login_lockout(users: UserFactory) -> None:
    grace = users.create_verified()
    submit_wrong_reset_codes(users.client, 12, OTHER_IP, email=GRACE_EMAIL)

    assert grace.login(PASSWORD).status_code == 200
