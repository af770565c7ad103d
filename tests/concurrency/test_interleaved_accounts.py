"""Interleaved account deletion and key rotation leave no orphaned rows and cause no unhandled exception."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select
from tests.account_deletion.helpers import delete_account, orphaned_rows, travel_and_erase
from tests.concurrency.interleaving import COMMIT, PausePoint, run_interleaved
from tests.conftest import MakeApp, sql_servers
from tests.security_alerts.helpers import REVOCATIONS, ActiveAccount
from tests.sessions.helpers import INVALID_REFRESH_TOKEN, INVALID_TOKEN, SessionClient
from tests.support.inspect import audit_events, error_of, execute_statement, query_all
from tests.support.users import bearer
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.sessions.models import Session
from flaskauth.signing_keys import service as signing_keys
from flaskauth.signing_keys.models import SigningKey

pytestmark = pytest.mark.parametrize("database", sql_servers(), indirect=True)

Action = Callable[[], TestResponse]


def post_action(app: Flask, session: SessionClient, path: str, body: dict[str, Any]) -> Action:
    return partial(app.test_client().post, path, json=body, headers=bearer(session.token))


def profile_edit_action(app: Flask, session: SessionClient) -> Action:
    return post_action(app, session, "/users/edit", {"first_name": "Amazing"})


def email_change_action(app: Flask, session: SessionClient) -> Action:
    return post_action(app, session, "/users/email", {"email": "hopper@example.org"})


def refresh_action(app: Flask, session: SessionClient) -> Action:
    return partial(session.post_refresh, session.refresh_token, app=app)


WRITE_ACTIONS: list[tuple[Callable[[Flask, SessionClient], Action], PausePoint]] = [
    (profile_edit_action, "UPDATE users"),
    (email_change_action, (".", COMMIT)),  # the first statement after the attempt was counted
    (refresh_action, "UPDATE sessions"),
]


@pytest.mark.parametrize(("make_action", "pause_point"), WRITE_ACTIONS)
def test_request_authorized_before_erasure_leaves_no_data(
    app: Flask, make_action: Callable[[Flask, SessionClient], Action], pause_point: PausePoint
) -> None:
    session = SessionClient.for_new_user(app)

    def delete_and_erase() -> int:
        assert delete_account(session.client, session.token).status_code == 200
        return travel_and_erase(app)

    response, erased = run_interleaved(app, pause_point, make_action(app, session), delete_and_erase)
    assert erased == 1
    assert error_of(response) in {INVALID_TOKEN, INVALID_REFRESH_TOKEN}
    assert (query_all(app, select(User)), query_all(app, select(Session)), orphaned_rows(app)) == ([], [], {})


@pytest.mark.parametrize("revocation", REVOCATIONS)
def test_retried_request_after_revocation_is_rejected(account: ActiveAccount, revocation: str) -> None:
    """The revocation commits between authorization and write, and the write is retried after a deadlock."""
    revoke = REVOCATIONS[revocation](account)
    response, revoke_response = run_interleaved(
        account.app, "UPDATE users", profile_edit_action(account.app, account.other_session), revoke, loses=True
    )

    assert (error_of(response), revoke_response.status_code) == (INVALID_TOKEN, 200)
    assert not audit_events(account.app, "profile_edited")


def test_interleaved_key_rotations_create_two_keys(app: Flask, make_app: MakeApp) -> None:
    """As two concurrent commands do. No process keeps a key that is not stored."""
    session, other_app = SessionClient.for_new_user(app), make_app()
    kids = run_interleaved(app, "INSERT INTO signing_keys", partial(rotate_keys, app), partial(rotate_keys, other_app))

    keys = query_all(app, select(SigningKey).order_by(SigningKey.ordinal))
    assert [key.ordinal for key in keys] == [1, 2, 3]
    assert {key.kid for key in keys[1:]} == set(kids)
    assert [session.profile_status(app=each_app) for each_app in (app, other_app)] == [200, 200]


def rotate_keys(app: Flask) -> str:
    with app.app_context():
        return signing_keys.rotate()


def test_interleaved_first_key_creation_makes_one_key(app: Flask, make_app: MakeApp) -> None:
    other_app = make_app()
    execute_statement(app, delete(SigningKey))
    run_interleaved(app, "INSERT INTO signing_keys", partial(ensure_keys, app), partial(ensure_keys, other_app))

    [kid] = query_all(app, select(SigningKey.kid))
    assert {key["kid"] for each_app in (app, other_app) for key in published_keys(each_app)} == {kid}


def ensure_keys(app: Flask) -> None:
    with app.app_context():
        signing_keys.ensure_keys()


def published_keys(app: Flask) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = app.test_client().get("/.well-known/jwks.json").get_json()["keys"]
    return keys
