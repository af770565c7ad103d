"""Revision 0003 computes the keys of stored email addresses again and reports the rows that it cannot change."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, Table, insert, select

from flaskauth import migrations
from flaskauth.accounts.models import EmailChange, User
from flaskauth.core.db.types import Base
from flaskauth.one_time_codes.models import EmailLink, OneTimeCode
from flaskauth.registration.models import Registration

DEFAULTS: dict[type, object] = {
    str: "x",
    int: 1,
    bytes: b"x" * 16,
    bool: False,
    datetime: datetime(2026, 1, 10, tzinfo=UTC),
}


def insert_row(engine: Engine, model: type[Base], **values: Any) -> None:
    """Insert a row with these values, and any other value in its further required columns."""
    table = Table(model.__tablename__, MetaData(), autoload_with=engine)
    key = values.pop("normalized_email", None)
    values = {"normalized_email": key and key.encode(), **values}
    required = {column.name: DEFAULTS[column.type.python_type] for column in table.columns if not column.nullable}
    row = {name: value for name, value in {**required, **values}.items() if name in table.columns}
    with engine.begin() as connection:
        connection.execute(insert(table).values(row))


def stored_keys(engine: Engine, model: Any) -> dict[Any, str]:
    with engine.connect() as connection:
        return {row.id: row.normalized_email for row in connection.execute(select(model.id, model.normalized_email))}


def test_migration_email_keys_are_computed_in_every_table(engine: Engine) -> None:
    migrations.upgrade(engine.url, "0002")
    folded = {"email": "Gruß@example.com", "normalized_email": "gruss@example.com"}
    plain = {"email": "Ada@example.com", "normalized_email": "ada@example.com"}
    insert_row(engine, User, id=1, **folded)
    insert_row(engine, User, id=2, **plain)
    insert_row(engine, User, id=3, email="ὈΔΟΣ@example.com", normalized_email="ὀδοσ@example.com")
    for number, model in enumerate((Registration, EmailChange, EmailLink), 1):
        insert_row(engine, model, id=bytes([number]) * 16, user_id=1, digest=b"a" * 32, **folded)
        insert_row(engine, model, id=bytes([number + 10]) * 16, user_id=2, digest=b"b" * 32, **plain)
    insert_row(engine, EmailLink, id=b"?" * 16, user_id=2)  # a link that reports a sign-in has no email address
    for number, purpose in enumerate(("registration", "email"), 1):
        insert_row(engine, OneTimeCode, id=bytes([number]) * 16, purpose=purpose, normalized_email="gruss@example.com")
    insert_row(engine, OneTimeCode, id=b"r" * 16, purpose="reset", normalized_email="gruss@example.com")
    insert_row(engine, OneTimeCode, id=b"s" * 16, purpose="reset", normalized_email="ada@example.com")

    migrations.upgrade(engine.url)
    migrations.downgrade(engine.url, "0002")
    migrations.upgrade(engine.url)

    new, same = "gruß@example.com", "ada@example.com"
    assert stored_keys(engine, User) == {1: new, 2: same, 3: "ὀδοσ@example.com"}
    for number, model in enumerate((Registration, EmailChange, EmailLink), 1):
        expected = {bytes([number]) * 16: new, bytes([number + 10]) * 16: same}
        assert stored_keys(engine, model).items() >= expected.items()
    codes = {bytes([1]) * 16: new, bytes([2]) * 16: new, b"r" * 16: new, b"s" * 16: same}
    assert stored_keys(engine, OneTimeCode) == codes


def test_migration_email_key_collision_is_reported(engine: Engine, capfd: pytest.CaptureFixture[str]) -> None:
    migrations.upgrade(engine.url, "0002")
    insert_row(engine, User, id=1, email="gruß@example.com", normalized_email="gruss@example.com")
    insert_row(engine, User, id=2, email="gruß@EXAMPLE.com", normalized_email="gruß@example.com")
    insert_row(engine, User, id=3, email="=?utf-8?q?a?=@example.com", normalized_email="=?utf-8?q?a?=@example.com")

    migrations.upgrade(engine.url)

    assert stored_keys(engine, User)[1] == "gruss@example.com"
    reports = [line for line in capfd.readouterr().err.splitlines() if line.startswith("users")]
    assert reports == [
        "users 1 keeps its normalized_email: its key belongs to another user.",
        "users 3 keeps its normalized_email: its email address is not valid.",
    ]
