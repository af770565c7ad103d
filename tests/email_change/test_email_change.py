"""Changing the email address requires a code from the new address. The old address is notified and can revert it."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from tests.email_change.helpers import (
    NEW_EMAIL,
    RequestedChange,
    change_email,
    confirm_change,
    login_status,
    request_change,
)
from tests.registration.email_states import ResponseRecorder
from tests.registration.helpers import (
    GRACE_EMAIL,
    INVALID_CODE,
    WRONG_CODE,
    register,
    start_registration,
    unused_ip,
    verify,
)
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import added_row_counts, row_counts, sent_mail_count, wait_for_outbox
from tests.support.inspect import (
    audit_events,
    error_of,
    execute_statement,
    in_transaction,
    query_all,
    run_concurrently,
    single_event,
)
from tests.support.users import CLIENT_IP, OTHER_IP, Mailbox, UserFactory, bearer
from werkzeug.test import TestResponse

from flaskauth.accounts.models import EmailChange, User
from flaskauth.app import purge
from flaskauth.core import clock
from flaskauth.core.email_addresses import parse
from flaskauth.rate_limits import service as rate_limits
from flaskauth.user_admin import service as user_admin

REAUTHENTICATION_REQUIRED = (403, "reauthentication_required")


def test_confirmed_email_change_switches_login_email(app: Flask, users: UserFactory) -> None:
    change = RequestedChange.request(app, SessionClient.for_new_user(app))
    assert (login_status(users, GRACE_EMAIL), login_status(users, NEW_EMAIL)) == (200, 401)
    response = change.confirm()

    assert response.get_json()["user"]["email"] == NEW_EMAIL
    assert (login_status(users, GRACE_EMAIL), login_status(users, NEW_EMAIL)) == (401, 200)
    session = change.session_client.session_id
    assert single_event(app, "email_changed").session_id == session
    assert single_event(app, "email_change_requested").user_id == response.get_json()["user"]["id"]


def test_unconfirmed_email_change_keeps_the_old_email(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    RequestedChange.request(app, session)

    profile = users.client.get("/users/profile", headers=bearer(session.token)).get_json()["user"]
    assert profile["email"] == GRACE_EMAIL


def test_email_change_requires_fresh_token(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    session.refresh()

    assert error_of(request_change(session.client, session.token)) == REAUTHENTICATION_REQUIRED


def test_old_email_is_notified_on_request_and_on_change(app: Flask, mailbox: Mailbox) -> None:
    change = change_email(app)
    wait_for_outbox(app)
    first, second = reversed([mail for mail in mailbox.all() if change.revert_link.token in mail["text"]])

    assert (first["to"], second["to"]) == (GRACE_EMAIL, GRACE_EMAIL)
    assert (first["subject"], second["subject"]) == (
        "Request to change your email address on flaskauth",
        "Your email address on flaskauth was changed",
    )
    for mail in (first, second):
        assert NEW_EMAIL in mail["text"]
        assert CLIENT_IP in mail["text"]


def test_email_change_revokes_other_sessions_only(app: Flask, users: UserFactory) -> None:
    own_session = SessionClient.for_new_user(app)
    other = SessionClient(users.client, users.client.post("/auth/login", json=login_data()).get_json())
    assert RequestedChange.request(app, own_session).confirm().status_code == 200

    assert other.is_logged_out()
    assert own_session.profile_status() == 200
    own_session.refresh()


def login_data() -> dict[str, str]:
    return {"email": GRACE_EMAIL, "password": "seven green kettles"}


def test_email_change_revokes_pending_codes_of_both_emails(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    registration = start_registration(users, NEW_EMAIL, at=OTHER_IP)
    reset_id = users.client.post("/auth/forgot-password", json={"email": GRACE_EMAIL}).get_json()["reset_id"]
    code = users.mailbox.code(GRACE_EMAIL)
    assert RequestedChange.request(app, session).confirm().status_code == 200

    assert error_of(verify(users.client, registration.code, **registration.identifier("by id"))) == INVALID_CODE
    body = {"otp": code, "reset_id": reset_id, "password": "nine purple umbrellas"}
    assert error_of(users.client.post("/auth/reset-password", json=body)) == INVALID_CODE


def test_resend_after_email_change_sends_no_mail(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    registration = start_registration(users, NEW_EMAIL, at=OTHER_IP)
    assert RequestedChange.request(app, session).confirm().status_code == 200
    clock.travel(timedelta(seconds=60))
    mails_before = sent_mail_count(app)
    users.client.post("/auth/resend", json={"verification_id": registration.id})

    assert sent_mail_count(app) == mails_before


def test_five_wrong_codes_lock_the_email_change(app: Flask) -> None:
    change = RequestedChange.request(app, SessionClient.for_new_user(app))
    client, token = change.session_client.client, change.session_client.token
    statuses = [confirm_change(client, token, WRONG_CODE).status_code for _ in range(6)]

    assert statuses == [401] * 5 + [429]
    assert change.confirm().status_code == 429
    assert {event.details["purpose"] for event in audit_events(app, "invalid_code")} == {"email"}


def test_email_change_code_is_single_use_and_owner_only(app: Flask) -> None:
    change = RequestedChange.request(app, SessionClient.for_new_user(app))
    other_user = SessionClient.for_new_user(app, "ada@example.com")
    assert error_of(confirm_change(other_user.client, other_user.token, change.code)) == INVALID_CODE
    assert change.confirm().status_code == 200
    assert error_of(change.confirm()) == INVALID_CODE


def test_email_change_code_expires_after_ten_minutes(app: Flask) -> None:
    change = RequestedChange.request(app, SessionClient.for_new_user(app))
    change.session_client.tokens["token"] = refresh_after_ten_minutes(change.session_client)

    assert error_of(change.confirm()) == INVALID_CODE


def refresh_after_ten_minutes(session: SessionClient) -> str:
    """Travel ten minutes and return a refreshed access token."""
    clock.travel(timedelta(minutes=10, seconds=1))
    session.refresh()
    return session.token


def test_newest_email_change_code_is_bound_to_its_email(app: Flask) -> None:
    """The code of one change never confirms the email address of another one (CVE-2026-32700)."""
    session = SessionClient.for_new_user(app)
    first = RequestedChange.request(app, session, "mallory@example.net")
    second = RequestedChange.request(app, session, "victim@example.net")

    assert error_of(first.confirm()) == INVALID_CODE
    assert second.confirm().get_json()["user"]["email"] == "victim@example.net"


def test_email_change_to_own_email_is_invalid(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    response = request_change(session.client, session.token, "GRACE@example.com")

    assert error_of(response) == (422, "validation_failed")
    assert response.get_json()["errors"] == {"email": ["This is already your email address."]}


def test_email_change_rate_limit_is_five_per_hour(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    responses = [request_change(session.client, session.token, f"grace{number}@example.org") for number in range(6)]

    assert [response.status_code for response in responses] == [200] * 5 + [429]
    assert 0 < responses[-1].get_json()["retry_after"] <= 3600


EMAILS_BY_STATE = {
    "free": "new@example.com",
    "taken": "ada@example.com",
    "taken, other case": "ADA@Example.com",
    "reserved": "johnson@example.com",
    "disabled": "mallory@example.com",
    "pending deletion": "barbara@example.com",
    "pending registration": "joan@example.com",
    "own former email": "amazing@example.com",
}


def test_email_change_prevents_enumeration(app: Flask, users: UserFactory) -> None:
    """The response and the work are the same for a free, a taken, a reserved and a former own email address."""
    session = change_email(app, GRACE_EMAIL, old_email=EMAILS_BY_STATE["own former email"]).session_client
    create_email_owners(app, users)
    recorder, mails_before = ResponseRecorder(app), sent_mail_count(app)
    observations = {}
    for state, email in EMAILS_BY_STATE.items():
        in_transaction(app, partial(rate_limits.reset, rate_limits.counter_key("address changes", get_user_id(app))))
        observations[state] = recorder.record(
            partial(request_change, app.test_client(), session.token, email, unused_ip())
        )

    (*own_observation, _statements), expected = (
        without_request_id(observations.pop("own former email")),
        without_request_id(observations["free"]),
    )
    assert {
        state: observation for state, observation in observations.items() if without_request_id(observation) != expected
    } == {}
    assert tuple(own_observation) == expected[:-1]
    (status, body, *_headers), added_rows, hashes, _statements = observations["free"]
    assert (status, json.loads(body)) == (200, SUCCESS_BODY)
    assert added_rows == {"outbox": 2, "email_links": 1, "one_time_codes": 1, "email_changes": 1, "audit_events": 1}
    assert hashes == 0
    assert (
        sent_mail_count(app) - mails_before == len(EMAILS_BY_STATE) + 3
    )  # a notice for each request; codes for the pending registration, the free and the own former address


SUCCESS_BODY = {"status": "Success", "success": True, "message": "A code was sent to the new email address"}


def create_email_owners(app: Flask, users: UserFactory) -> None:
    """Create the owners that the states require."""
    for state in ("taken", "disabled", "pending deletion"):
        users.create_verified(EMAILS_BY_STATE[state])
    change_email(app, "katherine@example.com", old_email=EMAILS_BY_STATE["reserved"])
    users.register(EMAILS_BY_STATE["pending registration"])
    in_transaction(app, lambda: user_admin.disable(parse(EMAILS_BY_STATE["disabled"])))
    pending_deletion = update(User).where(User.normalized_email == EMAILS_BY_STATE["pending deletion"])
    execute_statement(app, pending_deletion.values(deletion_due_at=clock.now() + timedelta(days=7)))


def get_user_id(app: Flask) -> int:
    [user_id] = query_all(app, select(User.id).where(User.normalized_email == GRACE_EMAIL))
    return int(user_id)


def without_request_id(observation: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return an observation without its request id."""
    (*parts, headers), *costs = observation
    return *parts, [header for header in headers if header[0] != "X-Request-ID"], *costs


@pytest.mark.parametrize("email", ["grace@example.com", "GRACE@Example.com"])
def test_email_change_to_own_email_writes_nothing(app: Flask, email: str) -> None:
    session = SessionClient.for_new_user(app)
    rows_before = row_counts(app)

    assert error_of(request_change(session.client, session.token, email)) == (422, "validation_failed")
    assert added_row_counts(rows_before, row_counts(app)) == {}


def test_parallel_changes_to_one_email_have_one_winner(app: Flask) -> None:
    changes = [
        RequestedChange.request(app, SessionClient.for_new_user(app, old), NEW_EMAIL, old)
        for old in ("ada@example.com", GRACE_EMAIL)
    ]
    responses = run_concurrently([partial(confirm_with, app, change) for change in changes])

    assert sorted(response.status_code for response in responses) == [200, 401]
    assert len(query_all(app, select(User).where(User.normalized_email == NEW_EMAIL))) == 1


def confirm_with(app: Flask, change: RequestedChange) -> TestResponse:
    return confirm_change(app.test_client(), change.session_client.token, change.code)


def test_parallel_registration_and_change_have_one_winner(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    registration = start_registration(users, NEW_EMAIL)
    change = RequestedChange.request(app, session)
    verification = partial(verify, app.test_client(), registration.code, verification_id=registration.id)
    responses = run_concurrently([verification, partial(confirm_with, app, change)])

    assert sorted(response.status_code for response in responses) == [200, 401]
    assert len(query_all(app, select(User).where(User.normalized_email == NEW_EMAIL))) == 1


def test_email_change_to_email_registered_meanwhile_fails(app: Flask, users: UserFactory) -> None:
    change = RequestedChange.request(app, SessionClient.for_new_user(app))
    registration = start_registration(users, NEW_EMAIL)
    assert verify(users.client, registration.code, verification_id=registration.id).status_code == 200

    assert error_of(change.confirm()) == INVALID_CODE
    assert change.session_client.profile_status() == 200


def test_email_change_code_burst_succeeds_once(app: Flask) -> None:
    change = RequestedChange.request(app, SessionClient.for_new_user(app))
    responses = run_concurrently([partial(confirm_with, app, change) for _ in range(8)])

    assert (
        sorted(response.status_code for response in responses) == [200] + [401] * 4 + [429] * 3
        or [response.status_code for response in responses].count(200) == 1
    )
    assert len(audit_events(app, "email_changed")) == 1


def test_password_reset_cancels_pending_email_change(app: Flask, users: UserFactory) -> None:
    change = RequestedChange.request(app, SessionClient.for_new_user(app))
    reset_id = users.client.post("/auth/forgot-password", json={"email": GRACE_EMAIL}).get_json()["reset_id"]
    wait_for_outbox(app)
    body = {"otp": users.mailbox.code(GRACE_EMAIL), "reset_id": reset_id, "password": "nine purple umbrellas"}
    assert users.client.post("/auth/reset-password", json=body).status_code == 200
    login = users.client.post("/auth/login", json={"email": GRACE_EMAIL, "password": "nine purple umbrellas"})

    assert error_of(confirm_change(users.client, login.get_json()["token"], change.code)) == INVALID_CODE


def test_old_email_is_reserved_for_a_week(app: Flask, users: UserFactory) -> None:
    change_email(app)
    register(users.client, GRACE_EMAIL, OTHER_IP)
    wait_for_outbox(app)
    notice = users.mailbox.all()[0]
    assert (notice["to"], notice["subject"]) == (NEW_EMAIL, "You already have an account on flaskauth")

    clock.travel(timedelta(days=7, seconds=1))
    registration = start_registration(users, password="eleven blue lanterns")
    assert verify(users.client, registration.code).status_code == 200


def test_older_registration_cannot_take_reserved_email(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app, "ada@example.com")
    registration = start_registration(users, NEW_EMAIL, at=OTHER_IP)
    assert RequestedChange.request(app, session, NEW_EMAIL, "ada@example.com").confirm().status_code == 200
    second_change = RequestedChange.request(app, session, "lovelace@example.com", NEW_EMAIL)
    assert second_change.confirm().status_code == 200

    assert error_of(verify(users.client, registration.code, **registration.identifier("by id"))) == INVALID_CODE


def test_owner_can_change_back_to_reserved_email(app: Flask) -> None:
    change = change_email(app)
    change_back = RequestedChange.request(app, change.session_client, GRACE_EMAIL, NEW_EMAIL)

    assert change_back.confirm().get_json()["user"]["email"] == GRACE_EMAIL


def test_purge_deletes_expired_email_changes(app: Flask) -> None:
    RequestedChange.request(app, SessionClient.for_new_user(app))
    clock.travel(timedelta(days=7, minutes=1))
    with app.app_context():
        purge()

    assert query_all(app, select(EmailChange)) == []
