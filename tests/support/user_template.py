"""The rows of a new user, so that a test that only needs one does not repeat the registration and its verification.

The first test of each pytest worker registers and verifies over HTTP; the rows are copied into the empty databases of
later tests, with their times moved to the present. There is one template for each kind of user.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Flask
from sqlalchemy import ColumnElement, Table, insert, or_, select
from tests.support.db_snapshot import EXCLUDED_TABLES, wait_for_outbox

from flaskauth.audit.models import AuditEvent
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.core.db.types import Base
from flaskauth.core.passwords import hashes

KEY = "tests.user_template"


@dataclass(frozen=True)
class UserTemplate:
    """The rows that the verification of one email address left, by table."""

    rows: dict[Table, list[dict[str, Any]]]
    created_at: datetime

    @classmethod
    def read(cls, app: Flask) -> "UserTemplate":
        """Copy the rows of a database with one verified user."""
        wait_for_outbox(app)
        with app.app_context():
            rows = {
                table: [dict(row._mapping) for row in db.session.execute(select(*table.columns).where(*conditions))]
                for table, conditions in _written_by_users().items()
            }
        return cls({table: found for table, found in rows.items() if found}, clock.now())

    def write(self, app: Flask) -> None:
        """Insert the rows, as if they were new. Commits."""
        with app.app_context(), db.engine.begin() as connection:
            for table, rows in self.rows.items():
                is_signed = table is AuditEvent.__table__  # the signature of an event covers its time
                moved = [{**row, "seal": None} if is_signed else self._moved_to_present(row) for row in rows]
                connection.execute(insert(table), moved)

    def _moved_to_present(self, row: dict[str, Any]) -> dict[str, Any]:
        age = clock.now() - self.created_at
        return {name: value + age if isinstance(value, datetime) else value for name, value in row.items()}


_templates: dict[tuple[object, str], UserTemplate] = {}


def mark_default_settings(app: Flask) -> None:
    """Let the template be used for this application. Settings may change what a registration writes."""
    app.extensions[KEY] = True


def is_usable(app: Flask) -> bool:
    """Return True if the application has default settings and its database has no rows of users."""
    if KEY not in app.extensions:
        return False
    with app.app_context():
        found = (select(table).where(*conditions).exists() for table, conditions in _written_by_users().items())
        return not db.session.scalar(select(or_(*found)))


def write(app: Flask, kind: str = "verified") -> bool:
    """Create a user of this kind. Commits. Return False if no such user has been created yet in this process."""
    template = _templates.get((hashes.ARGON2, kind))
    if template:
        template.write(app)
    return bool(template)


def save(app: Flask, kind: str = "verified") -> None:
    """Use the rows of this database as the template for the current parameters of the password hash."""
    _templates[hashes.ARGON2, kind] = UserTemplate.read(app)


def _written_by_users() -> dict[Table, list[ColumnElement[bool]]]:
    """Return the tables without rows of the application itself, and conditions that exclude those of the audit log."""
    tables = [table for table in Base.metadata.sorted_tables if table.name not in EXCLUDED_TABLES]
    return {
        table: [AuditEvent.name != "signing_key_created"] if table is AuditEvent.__table__ else [] for table in tables
    }
