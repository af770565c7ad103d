"""Deleting an account revokes all sessions. Until the erasure, only restoring and exporting the account are allowed."""

from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select, update
from tests.account_deletion.helpers import (
    PENDING_DELETION_MESSAGE,
    WEEK,
    create_pending_deletion,
    delete_account,
    orphaned_rows,
    restore_account,
    travel_and_erase,
)
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL
from tests.sessions.helpers import SessionClient
from tests.support.api_client import ApiClient
from tests.support.inspect import (
    audit_events,
    error_of,
    execute_statement,
    in_transaction,
    query_all,
    run_concurrently,
    single_event,
)
from tests.support.route_catalog import all_routes
from tests.support.users import (
    CLIENT_IP,
    OTHER_IP,
    PASSWORD,
    Mailbox,
    TestUser,
    UserFactory,
    bearer,
    code_in_mail,
    forwarded_for,
)

from flaskauth.accounts.models import EmailChange, User
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.models import OneTimeCode
from flaskauth.one_time_codes.service import CodeRequest
from flaskauth.sessions.models import Device

FORBIDDEN = (403, "forbidden")
ALLOWED_WHILE_PENDING = {"GET /users/profile", "GET /users/export", "POST /users/account/restore"}


def test_delete_account_returns_and_mails_the_due_date(app: Flask, users: UserFactory, mailbox: Mailbox) -> None:
    session = SessionClient.for_new_user(app)
    response = delete_account(users.client, session.token, OTHER_IP)
    mail = mailbox.wait(2, to=GRACE_EMAIL)[0]
    [user] = query_all(app, select(User))

    assert (response.status_code, response.get_json()["message"]) == (200, "Your account will be deleted")
    assert response.get_json()["deletion_due_at"] == clock.to_rfc3339(user.deletion_due_at)
    assert timedelta() <= clock.now() + WEEK - user.deletion_due_at < timedelta(minutes=1)
    assert mail["subject"] == "Your account on flaskauth will be deleted"
    assert OTHER_IP in mail["text"]
    assert user.deletion_due_at.strftime("%Y-%m-%d %H:%M UTC") in mail["text"]
    assert single_event(app, "account_closed").session_id == session.session_id


def test_delete_account_requires_fresh_token(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    session.refresh()

    assert error_of(delete_account(users.client, session.token)) == (403, "reauthentication_required")
    assert error_of(users.client.delete("/users/account")) == (401, "invalid_token")
    assert session.profile_status() == 200
    assert not audit_events(app, "account_closed")


def test_delete_account_revokes_all_sessions_and_devices(app: Flask, users: UserFactory) -> None:
    first = SessionClient.for_new_user(app)
    second = SessionClient(users.client, TestUser(users.client, GRACE_EMAIL).login_ok(at=OTHER_IP))
    ada = SessionClient.for_new_user(app, "ada@example.com")
    delete_account(users.client, first.token)

    assert first.is_logged_out()
    assert second.is_logged_out()
    assert ada.profile_status() == 200
    assert query_all(app, select(Device.user_id)) == [ada.tokens["user"]["id"]]


def test_delete_account_revokes_pending_reset_code(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    reset = request_reset(users)
    delete_account(users.client, session.token)

    assert error_of(reset_password(users.client, reset.code, reset_id=reset.id)) == (401, "invalid_code")


def test_delete_account_cancels_pending_email_change(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)
    in_transaction(app, lambda: create_email_change(session.tokens["user"]["id"]))
    delete_account(users.client, session.token)
    [code] = query_all(app, select(OneTimeCode).filter_by(purpose="email"))

    assert not code.is_usable


def create_email_change(user_id: int) -> None:
    code = codes.issue(
        CodeRequest("email", "other@example.com", CLIENT_IP, expires_at=clock.now() + codes.CODE_LIFETIME)
    )
    columns = {
        "email": "other@example.com",
        "normalized_email": "other@example.com",
        "link_id": b"",
        "created_at": clock.now(),
    }
    db.session.add(EmailChange(id=code.id, user_id=user_id, **columns))


def test_pending_deletion_blocks_all_but_restore_and_export(app: Flask, users: UserFactory) -> None:
    api_client = ApiClient(users.client, create_pending_deletion(users))
    allowed = set()
    for route in all_routes(app):
        if route.access == "guarded" and str(route) not in ALLOWED_WHILE_PENDING:
            response = api_client.send(route)
            assert error_of(response) == FORBIDDEN, route
            assert response.get_json()["message"] == PENDING_DELETION_MESSAGE
        elif route.access == "guarded":
            allowed.add(str(route))

    assert allowed == ALLOWED_WHILE_PENDING
    user = users.client.get("/users/profile", headers=bearer(api_client.token)).get_json()["user"]
    assert user["email"] == GRACE_EMAIL
    assert users.client.get("/users/export", headers=bearer(api_client.token)).get_json()["profile"]["deletion_due_at"]
    assert users.client.post("/auth/logout", headers=bearer(api_client.token)).status_code == 200


def test_delete_account_again_does_not_postpone_deletion(app: Flask, users: UserFactory) -> None:
    token = create_pending_deletion(users)
    [due_before] = query_all(app, select(User.deletion_due_at))
    clock.travel(timedelta(minutes=1))

    assert error_of(delete_account(users.client, token)) == FORBIDDEN
    assert query_all(app, select(User.deletion_due_at)) == [due_before]


def test_parallel_delete_account_happens_once(app: Flask, users: UserFactory, mailbox: Mailbox) -> None:
    user = users.create_verified()
    for number in range(3):
        token = user.login_ok()["token"]
        responses = run_concurrently([partial(delete_account, app.test_client(), token) for _ in range(4)])
        due_dates = [response.get_json()["deletion_due_at"] for response in responses if response.status_code == 200]

        assert {response.status_code for response in responses} <= {200, 401}
        assert len(set(due_dates)) == 1
        assert len(audit_events(app, "account_closed")) == number + 1
        assert restore_account(users.client, user.login_ok()["token"]).status_code == 200
    assert len(mailbox.wait(7, to=GRACE_EMAIL)) == 7


def test_delete_account_wins_over_parallel_requests(app: Flask, users: UserFactory) -> None:
    """Earlier tokens are rejected afterwards, and a new login gets only the restricted access."""
    user = users.create_verified()
    for number in range(3):
        session = SessionClient(users.client, user.login_ok())
        edit = {"json": {"first_name": f"Name{number}"}, "headers": bearer(session.token)}
        *responses, _edited, delete_response = run_concurrently(
            [
                *[partial(TestUser(app.test_client(), GRACE_EMAIL).login, at=CLIENT_IP) for _ in range(3)],
                *[partial(session.post_refresh, session.refresh_token) for _ in range(3)],
                partial(app.test_client().post, "/users/edit", **edit),
                partial(delete_account, app.test_client(), session.token),
            ]
        )
        assert delete_response.status_code == 200
        assert {response.status_code for response in responses} <= {200, 401}
        for response in responses:
            if response.status_code == 200:
                headers = bearer(response.get_json()["token"])
                assert users.client.get("/auth/sessions", headers=headers).status_code in {401, 403}
        assert session.is_logged_out()
        assert orphaned_rows(app) == {}
        assert restore_account(users.client, user.login_ok()["token"]).status_code == 200


def test_password_reset_does_not_cancel_deletion(app: Flask, users: UserFactory) -> None:
    create_pending_deletion(users)
    reset = request_reset(users)
    assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200
    token = TestUser(users.client, GRACE_EMAIL, NEW_PASSWORD).login_ok()["token"]

    assert error_of(users.client.get("/auth/sessions", headers=bearer(token))) == FORBIDDEN
    assert restore_account(users.client, token).status_code == 200


def test_email_is_reserved_until_account_is_erased(app: Flask, users: UserFactory, mailbox: Mailbox) -> None:
    create_pending_deletion(users)
    new_password = "nine purple umbrellas"
    users.register(GRACE_EMAIL, password=new_password)
    assert mailbox.wait(3, to=GRACE_EMAIL)[0]["subject"] == "You already have an account on flaskauth"

    assert travel_and_erase(app) == 1
    verification_id = users.register(GRACE_EMAIL, password=new_password)
    verification = {"otp": code_in_mail(mailbox.wait(2, to=GRACE_EMAIL)[0]), "verification_id": verification_id}
    assert users.client.post("/auth/verify", json=verification, headers=forwarded_for(CLIENT_IP)).status_code == 200
    new_user = TestUser(users.client, GRACE_EMAIL, new_password)
    assert new_user.login(PASSWORD).status_code == 401
    assert users.client.get("/auth/sessions", headers=bearer(new_user.login_ok()["token"])).status_code == 200


def test_disabled_user_cannot_restore_and_is_erased(app: Flask, users: UserFactory) -> None:
    token = create_pending_deletion(users)
    execute_statement(app, update(User).values(disabled_at=clock.now()))

    assert error_of(TestUser(users.client, GRACE_EMAIL).login()) == (401, "invalid_credentials")
    assert error_of(restore_account(users.client, token)) == (404, "not_found")
    assert travel_and_erase(app) == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_delete_account_rejects_other_methods(app: Flask, users: UserFactory) -> None:
    token = SessionClient.for_new_user(app).token
    for method in ("GET", "POST", "PUT", "PATCH"):
        response = users.client.open("/users/account", method=method, headers=bearer(token))
        assert error_of(response) == (405, "method_not_allowed")
