"""Attempt limits of each verification method are separate, hold under concurrency and survive a restart."""

from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.registration.helpers import (
    ATTEMPTS_EXHAUSTED,
    GRACE_EMAIL,
    INVALID_CODE,
    VERIFICATION_AMBIGUOUS,
    WRONG_CODE,
    resend,
    start_registration,
    submit_wrong_codes,
    unused_ip,
    verify,
)
from tests.support.inspect import error_of, in_transaction, run_concurrently
from tests.support.users import CLIENT_IP, OTHER_IP, THIRD_IP, Mailbox, UserFactory, code_in_mail

from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.one_time_codes.verification import CODE_ONLY_GLOBAL_LIMIT
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.models import RateLimitCounter

BURST = 30
ATTEMPT_LIMITS = {"by id": 5, "by email": 5, "by code": 10}
ONE_DAY = 24 * 60 * 60


def test_verify_by_id_allows_five_attempts(users: UserFactory) -> None:
    registration = start_registration(users)
    assert submit_wrong_codes(users.client, 5, verification_id=registration.id) == [401] * 5

    response = verify(users.client, registration.code, verification_id=registration.id)
    assert error_of(response) == ATTEMPTS_EXHAUSTED
    assert ONE_DAY - 60 < response.get_json()["retry_after"] <= ONE_DAY
    assert (
        error_of(verify(users.client, registration.code, unused_ip(), verification_id=registration.id))
        == ATTEMPTS_EXHAUSTED
    )
    assert verify(users.client, registration.code, email=GRACE_EMAIL).status_code == 200


def test_verify_by_email_allows_five_per_network_ten_total(users: UserFactory) -> None:
    registration = start_registration(users)
    assert submit_wrong_codes(users.client, 6, CLIENT_IP, email=GRACE_EMAIL) == [401] * 5 + [429]
    assert submit_wrong_codes(users.client, 6, OTHER_IP, email=GRACE_EMAIL) == [401] * 5 + [429]

    response = verify(users.client, registration.code, THIRD_IP, email=GRACE_EMAIL)
    assert error_of(response) == ATTEMPTS_EXHAUSTED
    assert 3540 < response.get_json()["retry_after"] <= 3600
    assert verify(users.client, registration.code, CLIENT_IP, verification_id=registration.id).status_code == 200


def test_verify_by_email_limit_resets_after_one_hour(users: UserFactory, mailbox: Mailbox) -> None:
    start_registration(users)
    submit_wrong_codes(users.client, 5, email=GRACE_EMAIL)
    clock.travel(timedelta(hours=1))
    resend(users.client, email=GRACE_EMAIL)
    mailbox.wait(2)

    assert verify(users.client, mailbox.code(GRACE_EMAIL), email=GRACE_EMAIL).status_code == 200


def test_verify_by_code_allows_ten_attempts_per_network(users: UserFactory) -> None:
    registration = start_registration(users)
    assert submit_wrong_codes(users.client, 11) == [401] * 10 + [429]

    assert error_of(verify(users.client, registration.code)) == ATTEMPTS_EXHAUSTED
    assert error_of(verify(users.client, WRONG_CODE, verification_id=registration.id)) == INVALID_CODE
    assert verify(users.client, registration.code, OTHER_IP).status_code == 200


def test_verify_by_code_past_global_limit_needs_same_network(app: Flask, users: UserFactory) -> None:
    first, second = start_registration(users, at=CLIENT_IP), start_registration(users, "ada@example.com", at=CLIENT_IP)
    in_transaction(app, exhaust_global_limit)

    assert error_of(verify(users.client, second.code, OTHER_IP)) == INVALID_CODE
    assert verify(users.client, first.code, CLIENT_IP).status_code == 200
    clock.travel(timedelta(hours=1))
    second = start_registration(users, "ada@example.com", at=CLIENT_IP)
    assert verify(users.client, second.code, OTHER_IP).status_code == 200


def exhaust_global_limit() -> None:
    """Set all shards of the global counter to their limit of wrong codes."""
    share = CODE_ONLY_GLOBAL_LIMIT.limit // rate_limits.SHARDS
    for shard in range(rate_limits.SHARDS):
        key = rate_limits.counter_key("codes alone registration", shard)
        db.session.merge(RateLimitCounter(key=key, count=share, resets_at=clock.now() + CODE_ONLY_GLOBAL_LIMIT.window))


def test_sharded_rate_limit_grants_exact_number(app: Flask) -> None:
    limit = rate_limits.RateLimit(30, timedelta(hours=1))
    is_allowed = in_transaction(app, lambda: [rate_limits.hit_sharded("a test", limit) is not None for _ in range(33)])

    assert is_allowed == [True] * 30 + [False] * 3


@pytest.mark.parametrize("method", ATTEMPT_LIMITS)
def test_concurrent_verifications_stay_within_limit(app: Flask, users: UserFactory, method: str) -> None:
    registration = start_registration(users)
    burst = [partial(verify, app.test_client(), WRONG_CODE, **registration.identifier(method)) for _ in range(BURST)]
    statuses = [response.status_code for response in run_concurrently(burst)]

    assert sorted(statuses) == [401] * ATTEMPT_LIMITS[method] + [429] * (BURST - ATTEMPT_LIMITS[method])
    assert error_of(verify(users.client, registration.code, **registration.identifier(method))) == ATTEMPTS_EXHAUSTED
    other_identifier = registration.identifier("by email" if method == "by id" else "by id")
    assert verify(users.client, registration.code, **other_identifier).status_code == 200


@pytest.mark.parametrize("method", ["by email", "by code"])
def test_correct_code_refunds_attempt(users: UserFactory, method: str) -> None:
    registration, _other = (
        start_registration(users),
        start_registration(users, at=OTHER_IP, password="eleven blue lanterns"),
    )
    errors = [
        error_of(verify(users.client, registration.code, **registration.identifier(method)))
        for _ in range(ATTEMPT_LIMITS[method] + 1)
    ]

    assert errors == [VERIFICATION_AMBIGUOUS] * (ATTEMPT_LIMITS[method] + 1)


def test_successful_verification_keeps_count_of_network(users: UserFactory) -> None:
    submit_wrong_codes(users.client, 9)
    for email in ("ada@example.com", "barbara@example.com"):
        assert verify(users.client, start_registration(users, email).code).status_code == 200

    assert submit_wrong_codes(users.client, 2) == [401, 429]


def test_new_code_does_not_reset_attempts(users: UserFactory, mailbox: Mailbox) -> None:
    registration = start_registration(users)
    submit_wrong_codes(users.client, 5, verification_id=registration.id)
    clock.travel(timedelta(minutes=8))
    resend(users.client, verification_id=registration.id)
    newer = code_in_mail(mailbox.wait(2)[0])

    assert newer != registration.code
    assert error_of(verify(users.client, newer, verification_id=registration.id)) == ATTEMPTS_EXHAUSTED
    assert verify(users.client, newer, email=GRACE_EMAIL).status_code == 200


def test_verification_limits_survive_restart(make_app: MakeApp, users: UserFactory) -> None:
    registration = start_registration(users)
    for method, limit in ATTEMPT_LIMITS.items():
        submit_wrong_codes(users.client, limit, **registration.identifier(method))
    other_client = make_app().test_client()

    assert [
        error_of(verify(other_client, registration.code, **registration.identifier(method)))
        for method in ATTEMPT_LIMITS
    ] == [ATTEMPTS_EXHAUSTED] * 3


def test_concurrent_use_of_one_code_succeeds_once(app: Flask, users: UserFactory) -> None:
    registration = start_registration(users)
    uses = [partial(verify, app.test_client(), registration.code, verification_id=registration.id) for _ in range(24)]
    statuses = [response.status_code for response in run_concurrently(uses)]

    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 401, 429}
