"""After any revocation, no earlier token, code, device or password grants access, also in a concurrent burst."""

from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select
from tests.email_change.helpers import change_email, request_change
from tests.login.helpers import LoginClient, unseen_ip
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL, INVALID_CODE
from tests.security_alerts.helpers import REVOCATIONS, Action, ActiveAccount
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import error_of, query_all, run_concurrently, single_event
from tests.support.users import PASSWORD, TestUser, UserFactory, code_in_mail

from flaskauth.accounts.models import User

ALLOW_LOGIN = ("reset", "change", "revert email change", "report sign-in")


@pytest.mark.parametrize("revocation", REVOCATIONS)
def test_revocation_invalidates_tokens_and_parallel_refresh(account: ActiveAccount, revocation: str) -> None:
    revoke, other_session = REVOCATIONS[revocation](account), account.other_session
    refreshes = [partial(other_session.post_refresh, other_session.refresh_token, app=account.app) for _ in range(6)]
    actions: list[Action] = [revoke, *refreshes]
    revoke_response, *refresh_responses = run_concurrently(actions)

    assert revoke_response.status_code == 200, revoke_response.get_data()
    assert other_session.is_logged_out()
    assert {response.status_code for response in refresh_responses} <= {200, 401}
    bodies = [response.get_json() for response in refresh_responses if response.status_code == 200]
    assert all(SessionClient(other_session.client, body).is_logged_out() for body in bodies)


@pytest.mark.parametrize("revocation", ["revert email change", "report sign-in"])
def test_security_link_cancels_deletion_by_attacker(account: ActiveAccount, revocation: str) -> None:
    revoke = REVOCATIONS[revocation](account)
    assert account.prepare_deletion()().status_code == 200
    assert revoke().status_code == 200

    assert [user.deletion_due_at for user in query_all(account.app, select(User))] == [None]
    assert single_event(account.app, "account_restored").user_id


@pytest.mark.parametrize("revocation", REVOCATIONS)
def test_revocation_forgets_recognised_devices(account: ActiveAccount, revocation: str) -> None:
    token = account.other_session.tokens["device_token"]
    assert REVOCATIONS[revocation](account)().status_code == 200
    login_client = LoginClient(account.app)
    login_client.lock_email()

    for password in (PASSWORD, NEW_PASSWORD):
        assert login_client.login(password, at=unseen_ip(), device_token=token).status_code == 429


@pytest.mark.parametrize("revocation", ALLOW_LOGIN)
def test_revocation_invalidates_pending_codes(account: ActiveAccount, revocation: str) -> None:
    reset = request_reset(account.users, at=unseen_ip())
    assert (
        request_change(account.own_session.client, account.own_session.token, "katherine@example.org").status_code
        == 200
    )
    wait_for_outbox(account.app)
    code = code_in_mail(account.users.mailbox.wait(to="katherine@example.org")[0])
    assert REVOCATIONS[revocation](account)().status_code == 200

    assert error_of(reset_password(account.users.client, reset.code, reset_id=reset.id)) == INVALID_CODE
    password = NEW_PASSWORD if revocation in {"reset", "change"} else reset_again(account)
    tokens = TestUser(account.users.client, GRACE_EMAIL).login(password).get_json()
    response = account.users.client.post(
        "/users/email/verify", json={"otp": code}, headers={"Authorization": f"Bearer {tokens['token']}"}
    )
    assert error_of(response) == INVALID_CODE


@pytest.mark.parametrize("revocation", ["delete account", "disable"])
def test_deletion_and_disabling_invalidate_reset_code(account: ActiveAccount, revocation: str) -> None:
    reset = request_reset(account.users, at=unseen_ip())
    assert REVOCATIONS[revocation](account)().status_code == 200

    assert error_of(reset_password(account.users.client, reset.code, reset_id=reset.id)) == INVALID_CODE


def reset_again(account: ActiveAccount) -> str:
    """Set a new password, which is required after reverting an email change or reporting a sign-in."""
    reset = request_reset(account.users, at=unseen_ip())
    assert reset_password(account.users.client, reset.code, reset_id=reset.id).status_code == 200
    return NEW_PASSWORD


def test_login_during_email_change_revert_is_revoked(app: Flask, users: UserFactory) -> None:
    change = change_email(app)
    body = {"email": change.email, "password": PASSWORD}
    logins = [partial(app.test_client().post, "/auth/login", json=body) for _ in range(4)]
    revoke_response, *responses = run_concurrently([partial(change.revert_link.follow, app.test_client()), *logins])

    assert revoke_response.status_code == 200
    bodies = [response.get_json() for response in responses if response.status_code == 200]
    assert all(SessionClient(users.client, body).is_logged_out() for body in bodies)
