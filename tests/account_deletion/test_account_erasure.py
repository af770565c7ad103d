"""A week after the deletion request no personal data is left, also after crashes and concurrent purges."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, insert, select, text, update
from tests.account_deletion.helpers import (
    FIVE_MINUTES,
    WEEK,
    create_pending_deletion,
    delete_account,
    erase_due_accounts,
    orphaned_rows,
    travel_and_erase,
)
from tests.avatars.helpers import AvatarUser, stored_files
from tests.avatars.sample_images import make_image
from tests.conftest import MakeApp
from tests.passwords.helpers import forgot_password
from tests.registration.helpers import GRACE_EMAIL
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import table_contents, wait_for_outbox
from tests.support.inspect import (
    audit_events,
    execute_statement,
    in_transaction,
    query_all,
    run_concurrently,
    single_event,
)
from tests.support.log_capture import LogCapture
from tests.support.shortcuts import allow_long_hash_queue
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, Mailbox, TestUser, UserFactory, bearer, registration_form

from flaskauth.account_deletion import erasure
from flaskauth.accounts.models import EmailChange, User
from flaskauth.app import purge
from flaskauth.audit.models import AuditEvent
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.core.db.types import Base
from flaskauth.core.jobs import background
from flaskauth.mail import outbox
from flaskauth.mail.models import OutboxMail
from flaskauth.mail.outbox import Message
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.service import CodeRequest

EMAIL = "Zebulon@example.com"
FORMER_EMAIL, NEXT_EMAIL = "former@example.com", "coming@example.com"
USER_AGENT, IP = "Peculiar-Browser/7", "203.0.113.77"
PERSONAL_DATA = ("zebulon", "quuxley", "former@", "coming@", USER_AGENT.lower(), IP, "mine-7", "hush")
USER_DATA = {"email": EMAIL, "password": PASSWORD, "first_name": "Zebulonia", "last_name": "Quuxley"}
HEADERS = {"X-Forwarded-For": IP, "User-Agent": USER_AGENT, "X-Request-ID": "mine-7"}


def database_text(app: Flask) -> str:
    """Return every row of every table as lower-case text."""
    wait_for_outbox(app)
    with app.app_context():
        tables = {
            table.name: [[_text(value) for value in row] for row in db.session.execute(select(table))]
            for table in Base.metadata.sorted_tables
        }
    return json.dumps(tables, ensure_ascii=False).lower()


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def create_user_with_history(app: Flask, users: UserFactory) -> int:
    """Create a user with data in every table, delete the account and return the user id."""
    client = app.test_client()
    users.create_verified(**USER_DATA)
    body = {"email": EMAIL, "password": PASSWORD}
    tokens = client.post("/auth/login", json=body, headers=HEADERS).get_json()
    headers, user_id = {**HEADERS, **bearer(tokens["token"])}, int(tokens["user"]["id"])
    client.post("/auth/login", json={**body, "password": "wrong"}, headers=HEADERS)
    client.post("/users/edit", json={"country": "NG"}, headers=headers)
    in_transaction(app, lambda: create_email_changes(user_id))
    client.get("/users/export", headers=headers)
    client.delete("/users/account", headers=headers)
    forgot_password(client, EMAIL)
    client.post("/auth/login", json=body, headers=HEADERS)
    client.post("/auth/register", json={**registration_form(EMAIL.upper()), "first_name": "Quuxley"}, headers=HEADERS)
    wait_for_outbox(app)
    return user_id


def create_email_changes(user_id: int) -> None:
    """Create a completed email change with its link and a pending one with its code, and their mails."""
    link = links.issue(links.REVERT_EMAIL_CHANGE, user_id, email=FORMER_EMAIL, normalized_email=FORMER_EMAIL)
    code = codes.issue(CodeRequest("email", NEXT_EMAIL, IP, expires_at=clock.now() + WEEK))
    columns = {"email": NEXT_EMAIL, "normalized_email": NEXT_EMAIL, "link_id": link.id, "created_at": clock.now()}
    db.session.add(EmailChange(id=code.id, user_id=user_id, **columns))
    db.session.flush()
    expires_at = clock.now() + WEEK
    outbox.enqueue(
        Message("passwords/password_changed", FORMER_EMAIL, outbox.request_details(IP), expires_at, link_id=link.id)
    )
    outbox.enqueue(
        Message(
            "passwords/reset_code",
            NEXT_EMAIL,
            {"minutes": "hush", **outbox.request_details(IP)},
            expires_at,
            code_id=code.id,
        )
    )


def test_erasure_leaves_only_the_final_mail(app: Flask, users: UserFactory) -> None:
    create_user_with_history(app, users)
    text_before = database_text(app)
    assert [value for value in PERSONAL_DATA if value not in text_before] == []
    app.extensions[background.KEY].stop()

    assert travel_and_erase(app) == 1
    [mail] = query_all(app, select(OutboxMail))
    assert (mail.template, mail.recipient, mail.context) == ("account_deletion/account_erased", EMAIL, {})
    execute_statement(app, update(OutboxMail).values(recipient="", state="sent"))
    assert [value for value in PERSONAL_DATA if value in database_text(app)] == []
    assert orphaned_rows(app) == {}


def test_erasure_deletes_mail_to_unicode_email_spellings(app: Flask, users: UserFactory) -> None:
    """The spellings are equal by Unicode rules that no database applies."""
    token = users.create_verified("ada\u03c3@example.com").login_ok()["token"]
    delete_account(users.client, token)
    verification_id = users.register("ada\u03c2@example.com", at=OTHER_IP)
    clock.travel(timedelta(minutes=2))
    users.client.post("/auth/resend", json={"verification_id": verification_id})
    assert "ada\u03c2@" in database_text(app)
    execute_statement(app, update(User).values(deletion_due_at=clock.now()))

    assert erase_due_accounts(app) == 1
    assert "ada\u03c2@" not in database_text(app)


def test_erasure_deletes_avatar_of_that_user_only(app: Flask) -> None:
    deleted_user, other_user = AvatarUser.create(app), AvatarUser.create(app, "ada@example.com")
    name, other_name = deleted_user.upload(make_image()), other_user.upload(make_image())
    assert stored_files(app) == {name, other_name}
    assert delete_account(deleted_user.client, deleted_user.token).status_code == 200
    assert travel_and_erase(app) == 1

    assert deleted_user.fetch(name).status_code == 404
    assert stored_files(app) == {other_name}


def test_final_mail_is_purged_after_a_week(app: Flask, users: UserFactory, mailbox: Mailbox) -> None:
    create_user_with_history(app, users)
    travel_and_erase(app)
    [mail] = mailbox.wait(to=EMAIL)
    assert mail["subject"] == "Your account on flaskauth was deleted"
    assert "Zebulonia" not in mail["text"]

    clock.travel(WEEK + FIVE_MINUTES)
    with app.app_context():
        purge()
    assert [value for value in PERSONAL_DATA if value in database_text(app)] == []


def test_erasure_anonymizes_audit_events(app: Flask, users: UserFactory) -> None:
    user_id = create_user_with_history(app, users)
    query = select(AuditEvent.id, AuditEvent.name, AuditEvent.at).where(AuditEvent.user_id == user_id)
    rows_before = audit_rows(app, query)
    travel_and_erase(app)
    events = query_all(app, select(AuditEvent).filter_by(user_id=user_id).where(AuditEvent.name != "account_erased"))

    assert audit_rows(app, query.where(AuditEvent.name != "account_erased")) == rows_before
    assert len(rows_before) > 6
    assert {(event.ip, event.device, event.request_id, str(event.details)) for event in events} == {
        (None, None, None, "{}")
    }
    assert single_event(app, "account_erased").user_id == user_id
    assert query_all(app, select(User)) == []


def audit_rows(app: Flask, query: Any) -> list[Any]:
    with app.app_context():
        return sorted(map(tuple, db.session.execute(query)))


def test_erasure_keeps_data_of_other_users(app: Flask, users: UserFactory) -> None:
    ada = users.create_verified("ada@example.com")
    ada.login_ok()
    forgot_password(users.client, ada.email)
    wait_for_outbox(app)
    contents_before = table_contents(app)
    create_user_with_history(app, users)
    travel_and_erase(app)
    contents_after = table_contents(app)

    for table, rows in contents_before.items():
        assert [row for row in rows if row not in contents_after[table] and table != "rate_limit_counters"] == [], table


def test_erasure_waits_for_the_full_week(app: Flask, users: UserFactory) -> None:
    create_pending_deletion(users)
    users.create_verified("ada@example.com")

    assert travel_and_erase(app, WEEK - FIVE_MINUTES) == 0
    assert travel_and_erase(app, FIVE_MINUTES * 2) == 1
    assert erase_due_accounts(app) == 0
    assert query_all(app, select(User.email)) == ["ada@example.com"]


def test_scheduled_purge_erases_due_accounts(app: Flask, users: UserFactory) -> None:
    create_pending_deletion(users)
    clock.travel(WEEK + FIVE_MINUTES)
    with app.app_context():
        purge()

    assert single_event(app, "account_erased").ip is None


def test_parallel_erasure_erases_each_account_once(app: Flask, make_app: MakeApp) -> None:
    other_app = make_app()
    stop_background_jobs(app, other_app)
    create_due_accounts(app, 25)
    erased = run_concurrently(
        [partial(erase_due_accounts, app), partial(erase_due_accounts, other_app), partial(erase_due_accounts, app)]
    )

    assert sum(erased) == 25
    assert len(audit_events(app, "account_erased")) == 25
    assert len({event.user_id for event in audit_events(app, "account_erased")}) == 25
    assert query_all(app, select(func.count()).select_from(OutboxMail)) == [25]
    assert query_all(app, select(User)) == []


def stop_background_jobs(*apps: Flask) -> None:
    """Leave the erasure to the test alone."""
    for app in apps:
        app.extensions[background.KEY].stop()


def create_due_accounts(app: Flask, count: int) -> None:
    """Insert users whose deletion is due."""
    now = clock.now()
    columns = {"password_hash": None, "first_name": "A", "last_name": "B", "locale": "en", "is_verified": True}
    rows = [
        {
            "id": number,
            "email": f"{number}@example.com",
            "normalized_email": f"{number}@example.com",
            "created_at": now,
            **columns,
        }
        for number in range(1, count + 1)
    ]
    execute_statement(app, insert(User).values([{**user, "deletion_due_at": now - FIVE_MINUTES} for user in rows]))


CRASH_STATEMENTS = ("DELETE FROM registrations", "DELETE FROM email_links", "UPDATE audit_events", "INSERT INTO outbox")


@pytest.mark.parametrize("statement_prefix", CRASH_STATEMENTS)
def test_interrupted_erasure_rolls_back_and_is_retried(app: Flask, users: UserFactory, statement_prefix: str) -> None:
    create_user_with_history(app, users)
    app.extensions[background.KEY].stop()
    clock.travel(WEEK + FIVE_MINUTES)
    text_before = database_text(app)
    with crash_at_statement(app, statement_prefix), pytest.raises(SimulatedCrash):
        erase_due_accounts(app)

    assert database_text(app) == text_before
    assert erase_due_accounts(app) == 1


class SimulatedCrash(BaseException):
    """Stands for a crash of the process."""


@contextmanager
def crash_at_statement(app: Flask, statement_prefix: str) -> Iterator[None]:
    def raise_at_step(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith(statement_prefix):
            raise SimulatedCrash

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", raise_at_step)
    yield
    event.remove(engine, "before_cursor_execute", raise_at_step)


CREATE_ORDERS_TABLE = (
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL, FOREIGN KEY (user_id) REFERENCES users (id))"
)


@pytest.fixture
def orders_table(app: Flask) -> Iterator[None]:
    """A table of the embedding application with a foreign key that does not cascade."""
    execute_statement(app, text(CREATE_ORDERS_TABLE))
    yield
    execute_statement(app, text("DROP TABLE orders"))


@pytest.mark.usefixtures("orders_table")
def test_erasure_skips_users_with_foreign_key_rows(app: Flask, make_app: MakeApp) -> None:
    create_due_accounts(app, erasure.BATCH_SIZE + 2)
    referenced_ids = range(1, erasure.BATCH_SIZE + 1)
    for number in referenced_ids:
        execute_statement(app, text(f"INSERT INTO orders VALUES ({number}, {number})"))
    with redirect_stderr(LogCapture()) as log_capture:
        other_app = make_app()
        stop_background_jobs(app, other_app)
        erase_due_accounts(other_app)
        erase_due_accounts(other_app)

    assert sorted(query_all(app, select(User.id))) == [*referenced_ids]
    assert [line["user_id"] for line in log_capture.events_named("erasure_failed")] == [*referenced_ids]
    execute_statement(app, text("DELETE FROM orders"))
    assert travel_and_erase(app, timedelta(hours=1)) == erasure.BATCH_SIZE


def test_login_or_refresh_during_erasure_leaves_no_session(app: Flask, users: UserFactory) -> None:
    for number in range(4):
        email = f"grace{number}@example.com"
        create_pending_deletion(users, email)
        session = SessionClient(users.client, TestUser(users.client, email).login_ok())
        execute_statement(
            app, update(User).where(User.normalized_email == email).values(deletion_due_at=clock.now() - FIVE_MINUTES)
        )
        functions: list[Callable[[], Any]] = [
            *[partial(TestUser(app.test_client(), email).login, at=CLIENT_IP) for _ in range(3)],
            partial(forgot_password, app.test_client(), email, OTHER_IP),
            *[partial(session.post_refresh, session.refresh_token) for _ in range(2)],
            partial(erase_due_accounts, app),
        ]
        with allow_long_hash_queue():
            *responses, erased = run_concurrently(functions)

        assert erased == 1
        assert {response.status_code for response in responses} <= {200, 401}
        tokens = [response.get_json()["token"] for response in responses if "token" in response.get_json()]
        assert {users.client.get("/users/profile", headers=bearer(token)).status_code for token in tokens} <= {401}
        assert session.is_logged_out()
        assert orphaned_rows(app) == {}


def test_erasure_runs_in_small_batches(app: Flask) -> None:
    stop_background_jobs(app)
    create_due_accounts(app, erasure.BATCH_SIZE + 3)

    assert in_transaction(app, erasure.purge) == erasure.BATCH_SIZE
    assert in_transaction(app, erasure.purge) == 3
    assert in_transaction(app, erasure.purge) == 0


def test_erasure_releases_reserved_former_email(app: Flask, users: UserFactory, mailbox: Mailbox) -> None:
    token = users.create_verified(GRACE_EMAIL).login_ok()["token"]
    [user_id] = query_all(app, select(User.id))
    in_transaction(
        app, lambda: links.issue(links.REVERT_EMAIL_CHANGE, user_id, email=FORMER_EMAIL, normalized_email=FORMER_EMAIL)
    )
    delete_account(users.client, token)
    execute_statement(app, update(User).values(deletion_due_at=clock.now() - timedelta(seconds=1)))
    erase_due_accounts(app)

    assert users.create_verified(FORMER_EMAIL).login().status_code == 200
