"""Interleaved use of codes and links: an attempt is counted before the comparison, and a code works once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select
from tests.concurrency.interleaving import COMMIT, PausePoint, run_interleaved, run_overlapping
from tests.conftest import sql_servers
from tests.email_change.helpers import (
    INVALID_TOKEN,
    NEW_EMAIL,
    MailLink,
    RequestedChange,
    change_email,
    confirm_change,
    find_link,
    login_status,
)
from tests.login.helpers import INVALID_CREDENTIALS, TOO_MANY_REQUESTS, LoginClient
from tests.passwords.helpers import NEW_PASSWORD, RESET_METHODS, request_reset, reset_password
from tests.registration.helpers import (
    ATTEMPTS_EXHAUSTED,
    GRACE_EMAIL,
    INVALID_CODE,
    VERIFICATION_METHODS,
    WRONG_CODE,
    PendingRegistration,
    start_registration,
    submit_wrong_codes,
    verify,
)
from tests.security_alerts.helpers import REVOCATIONS, ActiveAccount
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import sent_mail_count, wait_for_outbox
from tests.support.inspect import error_of, hash_count, query_all
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, UserFactory
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.one_time_codes.models import OneTimeCode
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.models import RateLimitCounter

pytestmark = pytest.mark.parametrize("database", sql_servers(), indirect=True)

FIRST_WRITE = "^(UPDATE|INSERT|DELETE)"  # the first write of a request counts the attempt
CODE_VERIFIED = (
    "UPDATE (one_time_codes|rate_limit_counters)",
    COMMIT,
)  # counted and compared, before the code is consumed
COUNTED = (".", COMMIT)
CODE_COMPARED = ("UPDATE users", COMMIT)  # counted and compared, before the session is locked
BEFORE_AUDIT_EVENT = "INSERT INTO audit_events"  # compared, before the response

Action = Callable[[], TestResponse]


def verify_action(app: Flask, registration: PendingRegistration, method: str) -> Action:
    return partial(verify, app.test_client(), registration.code, **registration.identifier(method))


@pytest.mark.parametrize("method", VERIFICATION_METHODS)
def test_right_code_counted_after_last_attempt_is_rejected(app: Flask, users: UserFactory, method: str) -> None:
    registration = start_registration(users)
    limit = 10 if method == "by code" else 5
    submit_wrong = partial(submit_wrong_codes, users.client, limit, **registration.identifier(method))
    response, statuses = run_interleaved(app, FIRST_WRITE, verify_action(app, registration, method), submit_wrong)

    assert statuses == [401] * limit
    assert error_of(response) == ATTEMPTS_EXHAUSTED
    assert query_all(app, select(User)) == []


def test_right_password_counted_after_last_attempt_is_rejected(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client, hashes_before = LoginClient(app), hash_count(app)
    response, statuses = run_interleaved(
        app, FIRST_WRITE, partial(login_client.login, PASSWORD), partial(login_client.fail_logins, 5)
    )

    assert statuses == [401] * 5
    assert error_of(response) == TOO_MANY_REQUESTS
    assert hash_count(app) == hashes_before + 6  # a locked-out attempt is hashed too, but compares nothing


@pytest.mark.parametrize("method", VERIFICATION_METHODS)
def test_code_attempt_is_counted_before_the_response(app: Flask, users: UserFactory, method: str) -> None:
    registration = start_registration(users)
    submit_wrong = partial(verify, app.test_client(), WRONG_CODE, **registration.identifier(method))

    def observe() -> tuple[list[int], TestResponse]:
        return attempt_counts(app, method), verify(users.client, registration.code, **registration.identifier(method))

    response, (counts, concurrent_response) = run_interleaved(app, BEFORE_AUDIT_EVENT, submit_wrong, observe)
    assert set(counts) == {1}
    assert (error_of(response), concurrent_response.status_code) == (INVALID_CODE, 200)


def attempt_counts(app: Flask, method: str) -> list[int]:
    """Return the counters of the one attempt."""
    mail_keys = set(query_all(app, select(RateLimitCounter.key).where(RateLimitCounter.key.in_(mail_counter_keys()))))
    counters = query_all(app, select(RateLimitCounter.count).where(RateLimitCounter.key.not_in(mail_keys)))
    return list(query_all(app, select(OneTimeCode.attempts)) if method == "by id" else counters)


def mail_counter_keys() -> list[bytes]:
    return [rate_limits.counter_key("mail", GRACE_EMAIL, CLIENT_IP), rate_limits.counter_key("mail", GRACE_EMAIL)]


def test_password_attempt_is_counted_before_the_response(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    login_client = LoginClient(app)

    def observe() -> tuple[int, TestResponse]:
        pair = query_all(
            app,
            select(RateLimitCounter.count).where(
                RateLimitCounter.key == rate_limits.counter_key(*password_counter_key(login_client))
            ),
        )
        return pair[0], login_client.login(PASSWORD)

    response, (counts, concurrent_response) = run_interleaved(app, BEFORE_AUDIT_EVENT, login_client.login, observe)
    assert counts == 1
    assert (error_of(response), concurrent_response.status_code) == (INVALID_CREDENTIALS, 200)


def password_counter_key(login_client: LoginClient) -> tuple[str, str, str]:
    return "password pair", login_client.email, login_client.ip


@dataclass(frozen=True)
class Race:
    """Two calls of which only one may succeed."""

    first: Action
    second: Action
    pause_point: PausePoint = CODE_VERIFIED


def same_code_twice(app: Flask, users: UserFactory) -> Race:
    registration = start_registration(users)
    return Race(verify_action(app, registration, "by id"), verify_action(app, registration, "by code"))


def two_registrations(app: Flask, users: UserFactory) -> Race:
    first = start_registration(users)
    return Race(
        verify_action(app, first, "by id"),
        verify_action(app, start_registration(users, password=NEW_PASSWORD), "by id"),
    )


def same_reset_code_twice(app: Flask, users: UserFactory) -> Race:
    users.create_verified()
    request = request_reset(users)
    by_id, by_email = (
        partial(reset_password, app.test_client(), request.code, **request.identifier(method))
        for method in RESET_METHODS
    )
    return Race(by_id, by_email)


def two_resets(app: Flask, users: UserFactory) -> Race:
    users.create_verified()
    pair = [request_reset(users, at=at) for at in (CLIENT_IP, OTHER_IP)]
    first, second = (partial(reset_password, app.test_client(), request.code, reset_id=request.id) for request in pair)
    return Race(first, second)


def same_change_code_twice(app: Flask, users: UserFactory) -> Race:
    change = RequestedChange.request(app, SessionClient.for_new_user(app))
    return Race(confirm_action(app, change), confirm_action(app, change), COUNTED)


def two_email_changes(app: Flask, users: UserFactory) -> Race:
    ada, grace = (
        RequestedChange.request(app, SessionClient.for_new_user(app, old_email), NEW_EMAIL, old_email)
        for old_email in ("ada@example.com", GRACE_EMAIL)
    )
    return Race(confirm_action(app, ada), confirm_action(app, grace))


def change_then_registration(app: Flask, users: UserFactory) -> Race:
    change = RequestedChange.request(app, SessionClient.for_new_user(app))
    return Race(confirm_action(app, change), verify_action(app, start_registration(users, NEW_EMAIL), "by id"))


def registration_then_change(app: Flask, users: UserFactory) -> Race:
    race = change_then_registration(app, users)
    return Race(race.second, race.first)


def report_link_twice(app: Flask, users: UserFactory) -> Race:
    user = users.create_verified()
    user.login_ok(), user.login_ok(at=OTHER_IP)
    wait_for_outbox(app)
    link = find_link(next(mail for mail in users.mailbox.all() if "/auth/report-sign-in#" in mail["text"]))
    return same_link_twice(app, link)


def revert_link_twice(app: Flask, users: UserFactory) -> Race:
    link = change_email(app).revert_link
    return same_link_twice(app, link)


def same_link_twice(app: Flask, link: MailLink) -> Race:
    follow = partial(link.follow, app.test_client())
    return Race(
        follow, partial(link.follow, app.test_client()), "UPDATE email_links"
    )  # the first statement of the call


def confirm_action(app: Flask, change: RequestedChange) -> Action:
    return partial(confirm_change, app.test_client(), change.session_client.token, change.code)


EMAIL_RACES = [two_email_changes, change_then_registration, registration_then_change]
RACES = [
    same_code_twice,
    two_registrations,
    same_reset_code_twice,
    two_resets,
    same_change_code_twice,
    report_link_twice,
    revert_link_twice,
    *EMAIL_RACES,
]


@pytest.mark.parametrize("race", RACES)
def test_interleaved_code_or_link_use_succeeds_once(
    app: Flask, users: UserFactory, race: Callable[[Flask, UserFactory], Race]
) -> None:
    pair = race(app, users)
    late_response, first = run_interleaved(app, pair.pause_point, pair.first, pair.second)

    assert first.status_code == 200, first.text
    assert error_of(late_response) in {INVALID_CODE, INVALID_TOKEN}


@pytest.mark.parametrize("race", EMAIL_RACES)
def test_interleaved_claims_of_one_email_have_one_winner(
    app: Flask, users: UserFactory, race: Callable[[Flask, UserFactory], Race]
) -> None:
    pair = race(app, users)
    responses = run_overlapping(app, ("users", "UPDATE one_time_codes SET .*used_at="), pair.first, pair.second)

    assert sorted(response.status_code for response in responses) == [200, 401]
    assert len(query_all(app, select(User).where(User.normalized_email == NEW_EMAIL))) == 1


@pytest.mark.parametrize("revocation", [revocation for revocation in REVOCATIONS if revocation != "reset"])
def test_reset_verified_before_revocation_sets_no_password(account: ActiveAccount, revocation: str) -> None:
    request = request_reset(account.users, at=OTHER_IP)
    late_response = partial(
        reset_password, account.app.test_client(), request.code, reset_id=request.id, password="eight yellow bicycles"
    )
    response, revoke_response = run_interleaved(
        account.app, CODE_VERIFIED, late_response, REVOCATIONS[revocation](account)
    )

    assert revoke_response.status_code == 200
    assert error_of(response) == INVALID_CODE
    assert login_status(account.users, account.email, "eight yellow bicycles") == 401


@pytest.mark.parametrize("revocation", REVOCATIONS)
def test_email_change_verified_before_revocation_fails(account: ActiveAccount, revocation: str) -> None:
    revoke = REVOCATIONS[revocation](account)
    change = RequestedChange.request(account.app, account.other_session, "katherine@example.org")
    response, revoke_response = run_interleaved(account.app, CODE_COMPARED, confirm_action(account.app, change), revoke)

    assert revoke_response.status_code == 200
    assert error_of(response) == INVALID_TOKEN
    assert query_all(account.app, select(User.normalized_email)) == [account.email]


def test_interleaved_resend_sends_one_mail(app: Flask, users: UserFactory) -> None:
    registration = start_registration(users)
    clock.travel(timedelta(seconds=60))
    sent_before = sent_mail_count(app)
    resend = partial(app.test_client().post, "/auth/resend", json={"verification_id": registration.id})
    late_response, first = run_interleaved(app, "UPDATE one_time_codes", resend, resend)

    assert [response.get_json()["retry_after"] for response in (late_response, first)] == [
        pytest.approx(120, abs=5)
    ] * 2
    assert sent_mail_count(app) == sent_before + 1
