"""Helpers that schedule, cancel and run an account deletion."""

from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.support.inspect import query_all
from tests.support.users import CLIENT_IP, UserFactory, bearer, forwarded_for
from werkzeug.test import TestResponse

from flaskauth.account_deletion import erasure
from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.db.session import transaction
from flaskauth.core.db.types import Base

WEEK = timedelta(days=7)
FIVE_MINUTES = timedelta(minutes=5)
PENDING_DELETION_MESSAGE = "This account is scheduled for deletion. Restore it first: POST /users/account/restore."


def delete_account(client: FlaskClient, token: str, at: str = CLIENT_IP) -> TestResponse:
    return client.delete("/users/account", headers={**bearer(token), **forwarded_for(at)})


def restore_account(client: FlaskClient, token: str, at: str = CLIENT_IP) -> TestResponse:
    return client.post("/users/account/restore", headers={**bearer(token), **forwarded_for(at)})


def create_pending_deletion(users: UserFactory, email: str = "grace@example.com") -> str:
    """Schedule the deletion of a new user's account, sign in again and return the access token."""
    user = users.create_verified(email)
    assert delete_account(users.client, user.login_ok()["token"]).status_code == 200
    return str(user.login_ok()["token"])


def erase_due_accounts(app: Flask) -> int:
    """Erase all accounts that are due and return their number."""
    erased = 0
    with app.app_context():
        while count := transaction(erasure.purge):
            erased += count
    return erased


def travel_and_erase(app: Flask, time: timedelta = WEEK + FIVE_MINUTES) -> int:
    clock.travel(time)
    return erase_due_accounts(app)


def orphaned_rows(app: Flask) -> dict[str, list[int]]:
    """Return the user ids of rows without a user, by table. The audit log keeps user ids on purpose."""
    existing_users = set(query_all(app, select(User.id)))
    tables = [table for table in Base.metadata.sorted_tables if "user_id" in table.c and table.name != "audit_events"]
    orphans = {
        table.name: [user_id for user_id in query_all(app, select(table.c.user_id)) if user_id not in existing_users]
        for table in tables
    }
    return {name: user_ids for name, user_ids in orphans.items() if user_ids}
