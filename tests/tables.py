"""What stands in the tables, to see what a request left behind."""

import time
from collections.abc import Iterable

from flask import Flask
from sqlalchemy import Table, func, literal, select, union_all
from tests.inside import rows

from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import db
from flaskauth.mail.models import QUEUED, SENT, OutboxMail

# What is there from the start, and what the server's own thread writes whenever it likes.
NOT_OURS = {"countries", "regions", "scheduled_runs", "signing_keys", "audit_seals"}
TRAIL = ("audit_events", "budgets")

Contents = dict[str, list[str]]


def counts(app: Flask, but: Iterable[str] = ()) -> dict[str, int]:
    """How many rows each table has."""
    settle(app)
    each = [select(literal(table.name), func.count()).select_from(table) for table in _tables(set(but))]
    with app.app_context():
        return dict(db.session.execute(union_all(*each)).all())


def contents(app: Flask, but: Iterable[str] = ()) -> Contents:
    """Every row of each table."""
    settle(app)
    with app.app_context():
        return {table.name: sorted(map(repr, db.session.execute(select(table)))) for table in _tables(set(but))}


def written(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """How many rows came to each table that has more now."""
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def mails_sent(app: Flask) -> int:
    """How many mails have left, once no other is on its way."""
    settle(app)
    return len(rows(app, select(OutboxMail.id).where(OutboxMail.state == SENT)))


def settle(app: Flask) -> None:
    """Wait until no mail is on its way."""
    for _ in range(500):
        if not rows(app, select(OutboxMail.id).where(OutboxMail.state == QUEUED)):
            return
        time.sleep(0.01)
    raise AssertionError("a mail is still on its way")


def _tables(but: set[str]) -> list[Table]:
    return [table for table in Base.metadata.sorted_tables if table.name not in NOT_OURS | but]
