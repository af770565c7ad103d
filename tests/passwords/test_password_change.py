"""Password changes by a logged-in user: the current password is checked, and other sessions are revoked."""

from functools import partial

from flask import Flask
from tests.login.helpers import INVALID_CREDENTIALS, TOO_MANY_REQUESTS, LoginClient, unseen_ip
from tests.passwords.helpers import NEW_PASSWORD, WEAK_PASSWORD, change_password, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL, INVALID_CODE
from tests.sessions.helpers import SessionClient
from tests.support.inspect import audit_events, error_of, run_concurrently, single_event
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, Mailbox, TestUser, UserFactory


def test_change_password_replaces_old_password(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    response = change_password(users.client, session.token, PASSWORD)

    assert (response.status_code, response.get_json()["message"]) == (200, "Your password was changed")
    grace = TestUser(users.client, GRACE_EMAIL)
    assert (grace.login(PASSWORD).status_code, grace.login(NEW_PASSWORD).status_code) == (401, 200)
    assert single_event(app, "password_changed").session_id == session.session_id


def test_change_password_revokes_other_sessions(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    other = SessionClient(users.client, TestUser(users.client, GRACE_EMAIL).login_ok(at=OTHER_IP))
    change_password(users.client, session.token, PASSWORD)

    assert other.is_logged_out()
    assert session.profile_status() == 200
    session.refresh()


def test_change_password_keeps_only_current_device(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    other = TestUser(users.client, GRACE_EMAIL).login_ok(at=CLIENT_IP)
    change_password(users.client, session.token, PASSWORD)
    login_client = LoginClient(app)
    login_client.lock_email()
    statuses = [
        login_client.login(NEW_PASSWORD, at=unseen_ip(), device_token=tokens["device_token"]).status_code
        for tokens in (session.tokens, other)
    ]

    assert statuses == [200, 429]


def test_change_password_notifies_user(users: UserFactory, mailbox: Mailbox) -> None:
    token = users.create_verified().login_ok()["token"]
    change_password(users.client, token, PASSWORD, at=OTHER_IP)
    mail = mailbox.wait(2, to=GRACE_EMAIL)[0]

    assert mail["subject"] == "Your password on flaskauth was changed"
    assert OTHER_IP in mail["text"]


def test_change_password_revokes_reset_codes(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    reset = request_reset(users)
    change_password(users.client, session.token, PASSWORD)

    for method in ("by id", "by email"):
        assert error_of(reset_password(users.client, reset.code, **reset.identifier(method))) == INVALID_CODE


def test_change_password_checks_current_before_new(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)

    assert error_of(change_password(users.client, session.token, "not the password", "password")) == INVALID_CREDENTIALS
    assert TestUser(users.client, GRACE_EMAIL).login(PASSWORD).status_code == 200
    assert audit_events(app, "password_changed") == []


def test_change_password_shares_attempts_with_login(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    for _ in range(5):
        assert error_of(change_password(users.client, session.token, "wrong", at=OTHER_IP)) == INVALID_CREDENTIALS
    assert error_of(LoginClient(app).login(PASSWORD, at=OTHER_IP)) == TOO_MANY_REQUESTS

    ip = unseen_ip()
    LoginClient(app).record_failures(5, at=ip)
    assert error_of(change_password(users.client, session.token, "wrong", at=ip)) == TOO_MANY_REQUESTS
    assert change_password(users.client, session.token, PASSWORD, at=ip).status_code == 200


def test_change_to_weak_password_refunds_attempt(users: UserFactory) -> None:
    grace = users.create_verified()
    token = grace.login_ok()["token"]
    responses = [
        change_password(users.client, token, PASSWORD, weak_password)
        for weak_password in ("hopper1906", "password") * 9
    ]

    assert {error_of(response) for response in responses} == {WEAK_PASSWORD}
    assert grace.login(PASSWORD).status_code == 200
    assert change_password(users.client, token, PASSWORD).status_code == 200


def test_change_to_same_unicode_password_is_rejected(users: UserFactory) -> None:
    password = "fünf grüne ﬂöße ①"
    token = users.create_verified(password=password).login_ok()["token"]
    for spelling in (password, "fünf grüne flöße 1"):
        response = change_password(users.client, token, password, spelling)
        assert error_of(response) == WEAK_PASSWORD
        assert response.get_json()["errors"] == {"password": ["Must differ from the current password."]}


def test_concurrent_password_changes_one_succeeds(app: Flask, users: UserFactory) -> None:
    grace = users.create_verified()
    tokens = [grace.login_ok()["token"] for _ in range(4)]
    passwords = [f"{NEW_PASSWORD} {number}" for number in range(4)]
    responses = run_concurrently(
        [
            partial(change_password, app.test_client(), token, PASSWORD, password)
            for token, password in zip(tokens, passwords, strict=True)
        ]
    )
    statuses = [response.status_code for response in responses]

    assert statuses.count(200) == 1
    assert set(statuses) == {200, 401}
    assert grace.login(passwords[statuses.index(200)]).status_code == 200


def test_change_password_without_session_is_rejected(users: UserFactory) -> None:
    users.create_verified()

    assert error_of(change_password(users.client, "x.y.z", PASSWORD)) == (401, "invalid_token")
