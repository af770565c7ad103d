"""Compute the keys of all email addresses again, without case folding.

Nothing but the rows whose key changes is written: those with letters such as ß, which case folding turns into others.
The revision can be repeated. A row whose new key belongs to another account, or whose address is invalid, keeps its
key and is reported by its id.
"""

import sys
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import context, op

from flaskauth.core import email_addresses
from flaskauth.core.db.types import ExactString, FixedBinary
from flaskauth.core.email_addresses import InvalidEmail

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BATCH_SIZE = 1000
Row = sa.Row[Any, str, str]  # id, email, normalized_email


def _email_table(name: str, id_type: sa.types.TypeEngine[Any]) -> sa.TableClause:
    return sa.table(name, sa.column("id", id_type), sa.column("email", sa.String()), _key_column())


def _key_column() -> sa.ColumnClause[str]:
    return sa.column("normalized_email", ExactString(320))


USERS = _email_table("users", sa.BigInteger())
TABLES = (USERS, *(_email_table(name, FixedBinary(16)) for name in ("registrations", "email_changes", "email_links")))
CODES = sa.table("one_time_codes", sa.column("id", FixedBinary(16)), sa.column("purpose", sa.String()), _key_column())


def upgrade() -> None:
    if context.is_offline_mode():  # for `db plan`: a client of the database cannot compute the keys
        for table in (*TABLES, CODES):
            op.execute(table.update().values(normalized_email=table.c.normalized_email))
        return
    connection = op.get_bind()
    for table in TABLES:
        for row, key in _changed_rows(connection, table):
            if table is USERS and connection.scalar(sa.select(USERS.c.id).where(USERS.c.normalized_email == key)):
                _report(table, row.id, "its key belongs to another user")
                continue
            connection.execute(table.update().where(table.c.id == row.id).values(normalized_email=key))
            _update_codes(connection, table, row, key)


def downgrade() -> None:
    """Keep the keys: to fold them could make two users equal."""


def _update_codes(connection: sa.Connection, table: sa.TableClause, row: Row, key: str) -> None:
    """Update the codes of a row: those with its id, or the password resets of a user, which have only the key."""
    is_reset = sa.and_(CODES.c.purpose == "reset", CODES.c.normalized_email == row.normalized_email)
    condition = is_reset if table is USERS else CODES.c.id == row.id
    connection.execute(CODES.update().where(condition).values(normalized_email=key))


def _changed_rows(connection: sa.Connection, table: sa.TableClause) -> Iterator[tuple[Row, str]]:
    """Yield the rows whose key is not that of their email address, with the right key. Read in batches, by id."""
    rows_by_id = sa.select(table.c.id, table.c.email, table.c.normalized_email).order_by(table.c.id).limit(BATCH_SIZE)
    batch = connection.execute(rows_by_id.where(table.c.email.is_not(None))).all()
    while batch:
        for row in batch:
            key = _key_of(row.email)
            if key is None:
                _report(table, row.id, "its email address is not valid")
            elif key != row.normalized_email:
                yield row, key
        batch = connection.execute(rows_by_id.where(table.c.email.is_not(None), table.c.id > batch[-1].id)).all()


def _key_of(email: str) -> str | None:
    try:
        return email_addresses.parse(email).normalized
    except InvalidEmail:
        return None


def _report(table: sa.TableClause, row_id: int | bytes, reason: str) -> None:
    shown_id = row_id.hex() if isinstance(row_id, bytes) else row_id
    sys.stderr.write(f"{table.name} {shown_id} keeps its normalized_email: {reason}.\n")
