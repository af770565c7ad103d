"""Attempts at codes are limited by challenge, user and network; a user on a recognised device is not locked out."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from tests.conftest import MakeApp
from tests.login.helpers import TOO_MANY_REQUESTS, unseen_ip
from tests.mfa.helpers import CHALLENGE_EXPIRED, INVALID_CODE, STEP, MfaUser, wrong_otp
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.support.inspect import audit_events, error_of, execute_statement, in_transaction, query_all
from tests.support.users import UserFactory

from flaskauth.core import clock
from flaskauth.login import throttling
from flaskauth.login.throttling import LoginAttempt
from flaskauth.mail.models import OutboxMail
from flaskauth.rate_limits.models import RateLimitCounter

pytestmark = pytest.mark.usefixtures("stopped_clock")  # lockouts begin at 30 seconds


def fail_factors(user: MfaUser, times: int, **fields: Any) -> list[tuple[int, str]]:
    """Begin sign-ins from unseen networks, and send one wrong code in each."""
    wrong = fields or {"otp": wrong_otp(user)}
    errors = []
    for _ in range(times):
        at = unseen_ip()
        errors.append(error_of(user.send_factor(user.challenge(at), at, **wrong)))
    return errors


def warnings(app: Flask) -> int:
    return len(query_all(app, select(OutboxMail.id).where(OutboxMail.template == "login/second_factor_failed")))


def test_challenge_allows_five_attempts(app: Flask) -> None:
    user = MfaUser.create(app)
    challenge, networks = user.challenge(), [unseen_ip() for _ in range(5)]
    errors = [error_of(user.send_factor(challenge, at, otp=wrong_otp(user))) for at in networks]

    assert errors == [INVALID_CODE] * 5
    assert error_of(user.send_factor(challenge)) == CHALLENGE_EXPIRED
    assert user.send_factor(user.challenge()).status_code == 200


def test_second_factor_allows_ten_attempts_per_user(app: Flask) -> None:
    """New challenges and right passwords reset no counter. All kinds of codes share it."""
    user = MfaUser.create(app)
    at = unseen_ip()
    errors = [*fail_factors(user, 5), *fail_factors(user, 5, recovery_code="BCDF-GHJK-MNPQ-RSTV")]

    assert errors == [INVALID_CODE] * 10
    assert fail_factors(user, 2) == [TOO_MANY_REQUESTS] * 2
    assert error_of(user.send_factor(user.challenge(at), at)) == TOO_MANY_REQUESTS  # the right code is not compared


def test_second_factor_lockout_ends(app: Flask) -> None:
    user = MfaUser.create(app)
    at = unseen_ip()
    fail_factors(user, 10)
    clock.travel(timedelta(seconds=31))

    assert user.send_factor(user.challenge(at), at).status_code == 200


def test_recognised_network_signs_in_during_lockout(app: Flask) -> None:
    user = MfaUser.create(app)
    fail_factors(user, 12)

    assert user.send_factor(user.challenge()).status_code == 200


def test_recognised_device_signs_in_during_lockout(app: Flask) -> None:
    """The device is recognised by the token that the first step or the second one sends."""
    user = MfaUser.create(app)
    fail_factors(user, 12)
    at = unseen_ip()

    assert user.send_factor(user.challenge(at, device_token=user.device_token), at).status_code == 200
    clock.travel(STEP)
    assert user.send_factor(user.challenge(at), at, device_token=user.device_token).status_code == 200


def test_fifty_consecutive_failures_block_unseen_networks(app: Flask) -> None:
    user = MfaUser.create(app)
    user_id = audit_events(app, "sign_in")[0].user_id
    assert user_id
    attempt = LoginAttempt(user_id, "192.0.2.99", kind=throttling.SECOND_FACTOR)
    in_transaction(app, lambda: throttling.count_attempt(attempt, is_attack=False))
    key = throttling._attempt_key("row", attempt)
    execute_statement(app, update(RateLimitCounter).where(RateLimitCounter.key == key).values(count=50))
    at = unseen_ip()

    assert error_of(user.send_factor(user.challenge(at), at)) == TOO_MANY_REQUESTS
    assert user.send_factor(user.challenge()).status_code == 200


def test_password_reset_clears_factor_failures(app: Flask) -> None:
    user = MfaUser.create(app)
    fail_factors(user, 10)
    users = UserFactory(app)
    reset = request_reset(users)
    reset_password(users.client, reset.code, reset_id=reset.id)
    at = unseen_ip()
    response = user.login(NEW_PASSWORD, at=at)

    assert user.send_factor(response.get_json()["challenge_token"], at).status_code == 200


def test_failed_second_factors_count_for_the_network(make_app: MakeApp) -> None:
    """Wrong codes of many accounts from one network share the limit of wrong passwords (ADR 18)."""
    user = MfaUser.create(make_app(RATE_LIMIT_LOGIN_FAILURES="2/minute"))
    at = unseen_ip()
    challenges = [user.challenge(at) for _ in range(4)]
    errors = [error_of(user.send_factor(challenge, at, otp=wrong_otp(user))) for challenge in challenges]

    assert errors == [INVALID_CODE] * 2 + [TOO_MANY_REQUESTS] * 2


def test_third_failure_mails_a_warning(app: Flask) -> None:
    user = MfaUser.create(app)
    fail_factors(user, 2)
    assert warnings(app) == 0

    fail_factors(user, 3)
    assert warnings(app) == 1
    assert len(audit_events(app, "second_factor_failed")) == 5
    clock.travel(timedelta(days=1, seconds=1))
    fail_factors(user, 3)
    assert warnings(app) == 2


def test_right_factor_resets_count_of_failures(app: Flask) -> None:
    user = MfaUser.create(app)
    fail_factors(user, 2)
    user.sign_in()
    fail_factors(user, 2)

    assert warnings(app) == 0
