"""A password reset revokes sessions and recognised devices, clears the lockout and notifies the user."""

from functools import partial

import pytest
from flask import Flask
from tests.login.helpers import LoginClient, unseen_ip
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL
from tests.sessions.helpers import SessionClient
from tests.support.inspect import in_transaction, run_concurrently
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, Mailbox, TestUser, UserFactory

from flaskauth.mail import rate_limits as mail_limits


def request_and_reset(users: UserFactory, at: str = CLIENT_IP, password: str = NEW_PASSWORD) -> None:
    reset = request_reset(users, at=at)
    assert reset_password(users.client, reset.code, at, password, reset_id=reset.id).status_code == 200


def test_reset_revokes_all_sessions(app: Flask, users: UserFactory) -> None:
    first = SessionClient.for_new_user(app)
    second = SessionClient(users.client, TestUser(users.client, GRACE_EMAIL).login_ok(at=OTHER_IP))
    ada = SessionClient.for_new_user(app, "ada@example.com")
    request_and_reset(users)

    assert first.is_logged_out()
    assert second.is_logged_out()
    assert not ada.is_logged_out()


def test_reset_removes_recognised_devices(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok(at=CLIENT_IP)["device_token"]
    login_client = LoginClient(app)
    login_client.lock_email()
    assert login_client.login(PASSWORD, at=unseen_ip(), device_token=token).status_code == 200

    request_and_reset(users)
    login_client.lock_email()
    assert login_client.login(NEW_PASSWORD, at=unseen_ip(), device_token=token).status_code == 429


@pytest.mark.parametrize("times", [10, 100])
def test_reset_clears_login_lockout(app: Flask, users: UserFactory, times: int) -> None:
    users.create_verified()
    login_client = LoginClient(app)
    if times == 100:
        login_client.set_consecutive_failures(100)
    else:
        login_client.lock_email()
    assert login_client.login(PASSWORD, at=OTHER_IP).status_code == 429

    request_and_reset(users, OTHER_IP)
    assert login_client.login(NEW_PASSWORD, at=OTHER_IP).status_code == 200
    assert login_client.login(NEW_PASSWORD, at=unseen_ip()).status_code == 200


def test_reset_revokes_concurrent_login_with_old_password(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    for _ in range(3):
        password = f"{NEW_PASSWORD} {unseen_ip()}"
        reset = request_reset(users, at=unseen_ip())
        logins = [partial(TestUser(app.test_client(), GRACE_EMAIL).login, at=unseen_ip()) for _ in range(4)]
        *responses, reset_response = run_concurrently(
            [*logins, partial(reset_password, app.test_client(), reset.code, password=password, reset_id=reset.id)]
        )
        assert reset_response.status_code == 200
        token_pairs = [response.get_json() for response in responses if response.status_code == 200]
        assert all(SessionClient(users.client, tokens).is_logged_out() for tokens in token_pairs)
        request_and_reset(users, unseen_ip(), PASSWORD)


def test_reset_notice_is_sent_despite_mail_rate_limit(app: Flask, users: UserFactory, mailbox: Mailbox) -> None:
    users.create_verified()
    reset = request_reset(users)
    in_transaction(
        app, lambda: [mail_limits.reserve(GRACE_EMAIL, str(number), is_recognised=True) for number in range(30)]
    )
    reset_password(users.client, reset.code, OTHER_IP, reset_id=reset.id)
    mail = mailbox.wait(3, to=GRACE_EMAIL)[0]

    assert mail["subject"] == "Your password on flaskauth was changed"
    assert OTHER_IP in mail["text"]
    assert NEW_PASSWORD not in mail["text"] + mail["html"]
