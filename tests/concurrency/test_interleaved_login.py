"""A revocation wins over an interleaved login, at every step of the login. A code is used by one login only."""

from functools import partial

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from tests.concurrency.interleaving import COMMIT, run_interleaved, run_overlapping
from tests.conftest import sql_servers
from tests.login.helpers import INVALID_CREDENTIALS
from tests.mfa.helpers import INVALID_CODE, STEP, MfaUser
from tests.passwords.helpers import NEW_PASSWORD
from tests.registration.helpers import GRACE_EMAIL
from tests.security_alerts.helpers import REVOCATIONS, ActiveAccount
from tests.sessions.helpers import SessionClient
from tests.support.inspect import error_of, execute_statement, query_all
from tests.support.users import PASSWORD, TestUser
from tests.user_admin.sample_hashes import hash_bcrypt

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.sessions.models import Session

pytestmark = pytest.mark.parametrize("database", sql_servers(), indirect=True)

PASSWORD_VERIFIED = ("rate_limit_counters", COMMIT)  # counted and compared, before the attempt is refunded
SESSION_INSERTED = (COMMIT, "INSERT INTO sessions")
LOGIN_BLOCKING = [
    revocation for revocation in REVOCATIONS if revocation != "delete account"
]  # a user with a scheduled deletion may sign in to cancel it


def count_active_sessions(app: Flask) -> int:
    """Return the number of active sessions."""
    return int(query_all(app, select(func.count()).select_from(Session).where(Session.revoked_at.is_(None)))[0])


def new_client_user(account: ActiveAccount) -> TestUser:
    return TestUser(account.app.test_client(), GRACE_EMAIL)


@pytest.mark.parametrize("revocation", LOGIN_BLOCKING)
def test_password_verified_before_revocation_is_rejected(account: ActiveAccount, revocation: str) -> None:
    response, revoke_response = run_interleaved(
        account.app, PASSWORD_VERIFIED, new_client_user(account).login, REVOCATIONS[revocation](account)
    )

    assert revoke_response.status_code == 200
    assert error_of(response) == INVALID_CREDENTIALS
    assert count_active_sessions(account.app) == (1 if revocation == "change" else 0)


@pytest.mark.parametrize("revocation", REVOCATIONS)
def test_session_started_during_revocation_is_revoked(account: ActiveAccount, revocation: str) -> None:
    response, revoke_response = run_overlapping(
        account.app, SESSION_INSERTED, new_client_user(account).login, REVOCATIONS[revocation](account)
    )

    assert (response.status_code, revoke_response.status_code) == (200, 200)
    assert SessionClient(account.users.client, response.get_json()).is_logged_out()


def test_rehash_does_not_restore_the_old_password(account: ActiveAccount) -> None:
    execute_statement(account.app, update(User).values(password_hash=hash_bcrypt(PASSWORD)))
    response, revoke_response = run_interleaved(
        account.app, PASSWORD_VERIFIED, new_client_user(account).login, REVOCATIONS["reset"](account)
    )

    assert (error_of(response), revoke_response.status_code) == (INVALID_CREDENTIALS, 200)
    assert [new_client_user(account).login(password).status_code for password in (PASSWORD, NEW_PASSWORD)] == [401, 200]


@pytest.mark.parametrize("kind", ["otp", "recovery_code"])
def test_code_used_meanwhile_keeps_the_challenge(app: Flask, kind: str) -> None:
    """The user who lost the race can send the next code."""
    user = MfaUser.create(app)
    codes = user.recovery_codes if kind == "recovery_code" else [user.otp()]
    challenge, other_challenge = user.challenge(), user.challenge()
    first, second = (partial(user.send_factor, token, **{kind: codes[0]}) for token in (challenge, other_challenge))
    lost, won = run_interleaved(app, "UPDATE login_challenges SET used_at", first, second)

    assert (error_of(lost), won.status_code) == (INVALID_CODE, 200)
    assert count_active_sessions(app) == 2
    clock.travel(STEP)
    assert user.send_factor(challenge, **{kind: codes[1] if kind == "recovery_code" else user.otp()}).status_code == 200
