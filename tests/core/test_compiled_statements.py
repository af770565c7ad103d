"""Statements that go to the driver directly convert their parameters as SQLAlchemy does."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import bindparam, insert, text
from tests.support.inspect import query_all

from flaskauth.core.db.compiled import CompiledStatement
from flaskauth.core.db.session import db
from flaskauth.rate_limits import statements
from flaskauth.rate_limits.models import RateLimitCounter

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

KEYS = b"a" * 32, b"b" * 32


def test_counters_store_their_times_as_the_orm_does(app: Flask) -> None:
    resets_at = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    with app.app_context():
        statements.increment(dict.fromkeys(KEYS, resets_at))
        db.session.commit()

    assert query_all(app, text("SELECT resets_at FROM rate_limit_counters")) == ["2030-01-02 03:04:05.000678"] * 2


def test_parameter_without_a_type_is_rejected(app: Flask) -> None:
    rows = [{"key": key, "count": 1, "resets_at": bindparam(f"resets_at_{key[:1]!r}")} for key in KEYS]
    statement = CompiledStatement(insert(RateLimitCounter).values(rows))

    with app.app_context(), pytest.raises(TypeError, match="need a type: resets_at"):
        statement.rowcount()
