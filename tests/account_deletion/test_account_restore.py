"""A deletion can be cancelled until the account is erased. If both happen concurrently, one wins."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Flask
from sqlalchemy import select, update
from tests.account_deletion.helpers import (
    FIVE_MINUTES,
    WEEK,
    create_pending_deletion,
    erase_due_accounts,
    orphaned_rows,
    restore_account,
    travel_and_erase,
)
from tests.registration.helpers import GRACE_EMAIL
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import audit_events, error_of, execute_statement, query_all, run_concurrently, single_event
from tests.support.users import OTHER_IP, Mailbox, UserFactory, bearer

from flaskauth.accounts.models import User
from flaskauth.core import clock

NOT_FOUND = (404, "not_found")


def test_restore_account_keeps_data_and_notifies_owner(app: Flask, users: UserFactory, mailbox: Mailbox) -> None:
    token = create_pending_deletion(users)
    response = restore_account(users.client, token, OTHER_IP)
    mail = mailbox.wait(3, to=GRACE_EMAIL)[0]

    assert (response.status_code, response.get_json()["message"]) == (200, "Your account is restored")
    assert users.client.get("/auth/sessions", headers=bearer(token)).status_code == 200
    assert (mail["subject"], OTHER_IP in mail["text"]) == ("Your account on flaskauth will not be deleted", True)
    assert single_event(app, "account_restored").user_id == single_event(app, "account_closed").user_id
    assert travel_and_erase(app) == 0


def test_restore_without_pending_deletion_is_not_found(app: Flask, users: UserFactory) -> None:
    session = SessionClient.for_new_user(app)

    assert error_of(restore_account(users.client, session.token)) == NOT_FOUND
    assert error_of(users.client.post("/users/account/restore")) == (401, "invalid_token")
    assert not audit_events(app, "account_restored")
    wait_for_outbox(app)
    assert len(users.mailbox.all()) == 1


def test_parallel_restore_happens_once(app: Flask, users: UserFactory) -> None:
    token = create_pending_deletion(users)
    responses = run_concurrently([partial(restore_account, app.test_client(), token) for _ in range(4)])

    assert sorted(response.status_code for response in responses) == [200, 404, 404, 404]
    assert len(audit_events(app, "account_restored")) == 1


def test_restore_is_possible_until_erasure_runs(app: Flask, users: UserFactory) -> None:
    """The mail names the earliest time of the erasure; the purge runs once an hour."""
    token = create_pending_deletion(users)
    execute_statement(app, update(User).values(deletion_due_at=clock.now() - timedelta(minutes=50)))

    assert restore_account(users.client, token).status_code == 200
    assert erase_due_accounts(app) == 0


def test_restore_and_erasure_race_has_one_winner(app: Flask, users: UserFactory) -> None:
    for number in range(6):
        token = create_pending_deletion(users, f"grace{number}@example.com")
        execute_statement(
            app,
            update(User).where(User.deletion_due_at.is_not(None)).values(deletion_due_at=clock.now() - FIVE_MINUTES),
        )
        functions: list[Callable[[], Any]] = [
            partial(restore_account, app.test_client(), token),
            partial(erase_due_accounts, app),
        ]
        response, erased = run_concurrently(functions)
        remaining = query_all(app, select(User).filter_by(normalized_email=f"grace{number}@example.com"))

        assert [user.deletion_due_at for user in remaining] == ([None] if response.status_code == 200 else [])
        assert erased == (0 if response.status_code == 200 else 1)
        assert response.status_code == 200 or error_of(response) in {NOT_FOUND, (401, "invalid_token")}
        assert orphaned_rows(app) == {}
    assert len(audit_events(app, "account_restored")) + len(audit_events(app, "account_erased")) == 6


def test_deletion_after_restore_starts_a_new_week(app: Flask, users: UserFactory) -> None:
    token = create_pending_deletion(users)
    clock.travel(timedelta(days=6))
    token = sign_in_again(users)
    assert restore_account(users.client, token).status_code == 200
    assert users.client.delete("/users/account", headers=bearer(token)).status_code == 200

    assert travel_and_erase(app, WEEK - FIVE_MINUTES) == 0
    assert travel_and_erase(app, FIVE_MINUTES * 2) == 1


def sign_in_again(users: UserFactory) -> str:
    body = {"email": GRACE_EMAIL, "password": "seven green kettles"}
    return str(users.client.post("/auth/login", json=body).get_json()["token"])
