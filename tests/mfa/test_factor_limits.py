"""Attempts at codes are limited by challenge, user and network; a user on a recognised device is not locked out."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.login.helpers import TOO_MANY_REQUESTS, unseen_ip
from tests.mfa.helpers import CHALLENGE_EXPIRED, INVALID_CODE, STEP, MfaUser, set_wrong_codes, wrong_otp
from tests.passkeys.client import PasskeyUser, sign_in_with
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.support.inspect import audit_events, error_of, in_transaction, query_all
from tests.support.users import TestUser, UserFactory, bearer

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.login import throttling
from flaskauth.login.throttling import LoginAttempt
from flaskauth.mail.models import OutboxMail
from flaskauth.one_time_codes.models import EmailLink

pytestmark = pytest.mark.usefixtures("stopped_clock")  # lockouts begin at 30 seconds


def fail_factors(user: MfaUser, times: int, **fields: Any) -> list[tuple[int, str]]:
    """Begin sign-ins from unseen networks, and send one wrong code in each."""
    wrong = fields or {"otp": wrong_otp(user)}
    errors = []
    for _ in range(times):
        at = unseen_ip()
        errors.append(error_of(user.send_factor(user.challenge(at), at, **wrong)))
    return errors


def reset_own_password(app: Flask) -> str:
    """Reset the password with the mailed code, and return the new one."""
    users = UserFactory(app)
    reset = request_reset(users)
    assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200
    return NEW_PASSWORD


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
    set_wrong_codes(app, user.email, 50)
    at = unseen_ip()

    assert error_of(user.send_factor(user.challenge(at), at)) == TOO_MANY_REQUESTS
    assert user.send_factor(user.challenge()).status_code == 200


def test_hundred_consecutive_failures_end_comparison(app: Flask) -> None:
    """Sign-ins and reauthentications of recognised clients count together. A recovery code cannot be guessed."""
    user = MfaUser.create(app)
    set_wrong_codes(app, user.email, 98)
    assert error_of(user.send_factor(user.challenge(), otp=wrong_otp(user))) == TOO_MANY_REQUESTS  # the 99th
    assert error_of(user.reauthenticate(otp=wrong_otp(user))) == TOO_MANY_REQUESTS

    assert error_of(user.send_factor(user.challenge())) == error_of(user.reauthenticate(otp=user.otp()))
    rejected = user.reauthenticate(otp=user.otp())
    assert (error_of(rejected), "Use a recovery code" in rejected.get_json()["message"]) == (TOO_MANY_REQUESTS, True)
    assert user.send_factor(user.challenge(), recovery_code=user.recovery_codes[0]).status_code == 200
    assert user.send_factor(user.challenge()).status_code == 200


def test_passkey_sign_in_compares_codes_again(app: Flask) -> None:
    user = MfaUser.create(app)
    authenticator = PasskeyUser(TestUser(user.client, user.email), bearer(user.token)).add()
    set_wrong_codes(app, user.email, 100)
    assert error_of(user.send_factor(user.challenge())) == TOO_MANY_REQUESTS

    assert sign_in_with(user.client, authenticator).status_code == 200
    assert user.send_factor(user.challenge()).status_code == 200


def test_failures_of_unseen_networks_end_no_comparison(app: Flask) -> None:
    """An attacker on unseen networks cannot lock the user out of the recognised ones."""
    user = MfaUser.create(app)
    set_wrong_codes(app, user.email, 50)
    [user_id] = query_all(app, select(User.id))
    for _ in range(60):
        attempt = LoginAttempt(user_id, unseen_ip(), kind=throttling.SECOND_FACTOR)
        in_transaction(app, partial(throttling.count_attempt, attempt, is_attack=False))

    assert user.send_factor(user.challenge()).status_code == 200


def test_password_reset_clears_factor_failures_once_a_day(app: Flask) -> None:
    """A reader of the mailbox can reset the password, but gets no further codes by it."""
    user = MfaUser.create(app)
    for hours, is_cleared in ((0, True), (23, False), (2, True)):
        clock.travel(timedelta(hours=hours))
        set_wrong_codes(app, user.email, 50)
        at, password = unseen_ip(), reset_own_password(app)
        challenge = user.login(password, at=at).get_json()["challenge_token"]
        assert (user.send_factor(challenge, at).status_code == 200) is is_cleared, hours


def test_password_reset_keeps_the_end_of_comparison(app: Flask) -> None:
    user = MfaUser.create(app)
    set_wrong_codes(app, user.email, 100)
    password = reset_own_password(app)
    challenge = user.login(password).get_json()["challenge_token"]

    assert error_of(user.send_factor(challenge)) == TOO_MANY_REQUESTS


def test_password_reset_clears_lockout_of_codes(app: Flask) -> None:
    user = MfaUser.create(app)
    fail_factors(user, 10)
    at = unseen_ip()
    response = user.login(reset_own_password(app), at=at)

    assert user.send_factor(response.get_json()["challenge_token"], at).status_code == 200


def test_limit_of_codes_holds_on_other_nodes_and_restarts(make_app: MakeApp) -> None:
    user = MfaUser.create(make_app())
    fail_factors(user, 5)
    node = replace(user, client=make_app().test_client())

    assert fail_factors(node, 6) == [INVALID_CODE] * 5 + [TOO_MANY_REQUESTS]
    restarted = replace(user, client=make_app().test_client())
    assert fail_factors(user, 1) == fail_factors(restarted, 1) == [TOO_MANY_REQUESTS]


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


def test_failed_reauthentications_mail_a_warning(app: Flask) -> None:
    """Its link reports the session. The user is mailed once a day, about sign-ins and reauthentications together."""
    user = MfaUser.create(app)
    for _ in range(4):
        user.reauthenticate(otp=wrong_otp(user))
    fail_factors(user, 4)

    assert warnings(app) == 1
    link = select(EmailLink.session_id).order_by(EmailLink.created_at.desc()).limit(1)
    assert query_all(app, link) == [audit_events(app, "sign_in")[0].session_id]
