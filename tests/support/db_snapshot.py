"""Snapshots of the tables, to compare the database before and after a request."""

import time
from collections.abc import Iterable

from flask import Flask
from sqlalchemy import Table, func, literal, select, union_all
from tests.support.inspect import query_all

from flaskauth.core.db.session import db
from flaskauth.core.db.types import Base
from flaskauth.mail.models import QUEUED, SENT, OutboxMail

# Tables with rows from the start, and tables that the background thread writes.
EXCLUDED_TABLES = {"countries", "regions", "scheduled_runs", "schema_locks", "signing_keys", "audit_seals"}
BOOKKEEPING_TABLES = ("audit_events", "rate_limit_counters")

TableContents = dict[str, list[str]]


def row_counts(app: Flask, excluded: Iterable[str] = ()) -> dict[str, int]:
    """Return the number of rows by table, after all queued mail is sent."""
    wait_for_outbox(app)
    counts = [select(literal(table.name), func.count()).select_from(table) for table in _compared_tables(set(excluded))]
    with app.app_context():
        return dict(db.session.execute(union_all(*counts)).all())


def table_contents(app: Flask, excluded: Iterable[str] = ()) -> TableContents:
    """Return every row by table, after all queued mail is sent."""
    wait_for_outbox(app)
    with app.app_context():
        return {
            table.name: sorted(map(repr, db.session.execute(select(table))))
            for table in _compared_tables(set(excluded))
        }


def added_row_counts(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return the difference in rows by table, for tables where it is not zero."""
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def sent_mail_count(app: Flask) -> int:
    """Return the number of sent mails, after all queued mail is sent."""
    wait_for_outbox(app)
    return len(query_all(app, select(OutboxMail.id).where(OutboxMail.state == SENT)))


def wait_for_outbox(app: Flask) -> None:
    """Wait up to 5 seconds until no mail is queued."""
    for _ in range(500):
        if not query_all(app, select(OutboxMail.id).where(OutboxMail.state == QUEUED)):
            return
        time.sleep(0.01)
    raise AssertionError("a mail is still queued")


def _compared_tables(excluded: set[str]) -> list[Table]:
    return [table for table in Base.metadata.sorted_tables if table.name not in EXCLUDED_TABLES | excluded]
