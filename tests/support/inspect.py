"""Server state that tests inspect besides responses: audit events, rows, statements, number of password hashes."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import Executable, event, select, text
from werkzeug.test import TestResponse

from flaskauth.audit.models import AuditEvent
from flaskauth.core.db.session import db, transaction
from flaskauth.core.http import request_limits
from flaskauth.core.passwords import hashing
from flaskauth.mail.models import OutboxMail

T = TypeVar("T")


def hash_count(app: Flask) -> int:
    """Return the number of passwords that the application has hashed."""
    pool = app.extensions[hashing.KEY]
    assert isinstance(pool, hashing.HashingPool)
    return pool.completed


def reconcile_request_limits(*apps: Flask) -> None:
    """Let each application exchange its request counts with Redis, as its thread does once a second."""
    for app in apps:
        limiter = app.extensions[request_limits.KEY]
        assert isinstance(limiter, request_limits.RequestLimiter)
        limiter.reconcile()


def audit_events(app: Flask, name: str) -> Sequence[AuditEvent]:
    """Return the audit events with this name, oldest first."""
    return query_all(app, select(AuditEvent).filter_by(name=name).order_by(AuditEvent.id))


def single_event(app: Flask, name: str) -> AuditEvent:
    """Return the only audit event with this name. tests/test_conventions.py requires a call for every event name."""
    [audit_event] = audit_events(app, name)
    return audit_event


def query_all(app: Flask, statement: Any) -> Sequence[Any]:
    with app.app_context():
        return db.session.scalars(statement).all()


def execute_statement(app: Flask, statement: Executable) -> None:
    """Execute a statement directly in the database and commit."""
    in_transaction(app, lambda: db.session.execute(statement))


@contextmanager
def reject_mails_to(app: Flask, recipient: str) -> Iterator[None]:
    """Let transactions fail that store a mail to this recipient, on SQLite."""
    condition = f"BEFORE INSERT ON {OutboxMail.__tablename__} WHEN NEW.recipient = '{recipient}'"
    execute_statement(app, text(f"CREATE TRIGGER reject_mail {condition} BEGIN SELECT RAISE(ABORT, 'rejected'); END"))
    yield
    execute_statement(app, text("DROP TRIGGER reject_mail"))


def in_transaction(app: Flask, work: Callable[[], T]) -> T:
    """Run a function in the application's own kind of transaction, with commit and retries."""
    with app.app_context():
        return transaction(work)


@contextmanager
def engine_listeners(app: Flask, **listeners: Callable[..., object]) -> Iterator[None]:
    """Register SQLAlchemy event listeners by event name on all engines of the application."""
    with app.app_context():
        registrations = [
            (engine, name, listener) for engine in db.engines.values() for name, listener in listeners.items()
        ]
    for registration in registrations:
        event.listen(*registration)
    try:
        yield
    finally:
        for registration in registrations:
            event.remove(*registration)


@contextmanager
def captured_statements(app: Flask) -> Iterator[list[str]]:
    """Capture the SQL statements of all threads."""
    statements: list[str] = []

    def on_execute(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    with engine_listeners(app, before_cursor_execute=on_execute):
        yield statements


@contextmanager
def statement_counts(app: Flask) -> Iterator[Counter[str]]:
    """Count the statements of the current thread by verb and table, such as "SELECT users"."""
    counts: Counter[str] = Counter()
    thread = threading.get_ident()

    def on_execute(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if threading.get_ident() == thread:
            counts[_statement_kind(statement)] += 1

    with engine_listeners(app, before_cursor_execute=on_execute):
        yield counts


def _statement_kind(statement: str) -> str:
    verb = statement.split(None, 1)[0]
    table = re.search(r"\b(?:FROM|INTO|UPDATE)\s+(\w+)", statement)
    return f"{verb} {table.group(1)}" if table else statement


def run_concurrently(works: Sequence[Callable[[], T]]) -> list[T]:
    """Run the functions concurrently, each in its own thread, and return their results in order."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def observable_response(response: TestResponse) -> tuple[int, str, list[tuple[str, str]]]:
    """Return everything that a client can observe of a response, except the remaining seconds of a rate limit.

    To compare two responses, send both requests with the same X-Request-ID.
    """
    headers = [(name, value) for name, value in response.headers.items() if name != "Retry-After"]
    return response.status_code, re.sub(r'(?<="retry_after":)\d\d\b', "..", response.text), sorted(headers)


def is_rate_limited_for(response: TestResponse, seconds: int) -> bool:
    """Return True if the response is 429 with this `retry_after`, or up to 5 seconds less on a slow machine."""
    retry_after = int(response.get_json()["retry_after"])
    return error_of(response) == (429, "too_many_requests") and seconds - 5 < retry_after <= seconds


def error_of(response: TestResponse) -> tuple[int, str]:
    """Assert that the response has the shape of an API error, and return its status and code."""
    body = response.get_json()
    assert (body["status"], body["success"]) == ("Error", False), response.text
    assert body["request_id"] == response.headers["X-Request-ID"]
    if response.status_code == 401:
        assert body["code"] in response.headers["WWW-Authenticate"]
    if response.status_code in {429, 503}:
        assert response.headers["Retry-After"] == str(body["retry_after"])
    return response.status_code, body["code"]
