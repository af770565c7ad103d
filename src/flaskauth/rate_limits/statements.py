"""The statements of rate-limit counters, for a number of keys. Their parameters are numbered: `key_0`, `key_1`."""

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, bindparam, case, delete, null, or_, select, update
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.types import TypeEngine

from flaskauth.core.db.compiled import CompiledStatement
from flaskauth.core.db.types import UTCDateTime
from flaskauth.rate_limits.models import RateLimitCounter


class CounterRow(NamedTuple):
    """The state of a counter."""

    key: bytes
    count: int  # type: ignore[assignment]  # shadows tuple.count
    resets_at: datetime
    locked_until: datetime | None


_KEY = RateLimitCounter.key
_COLUMNS = (_KEY, RateLimitCounter.count, RateLimitCounter.resets_at, RateLimitCounter.locked_until)
_ONE_MORE = {"count": RateLimitCounter.count + 1}

STORE = CompiledStatement(
    update(RateLimitCounter)
    .where(bindparam("stored_key") == _KEY)
    .values(
        count=bindparam("new_count"), resets_at=bindparam("new_resets_at"), locked_until=bindparam("new_locked_until")
    )
)


@cache
def increment_returning(keys: int) -> CompiledStatement[CounterRow]:
    """Return the statement for MariaDB and SQLite that adds one to counters, or inserts them, and returns the rows."""
    return CompiledStatement(
        _mysql_increment(keys).returning(*_COLUMNS),
        CounterRow,
        sqlite_statement=sqlite.insert(RateLimitCounter)
        .values(_new_rows(keys))
        .on_conflict_do_update(index_elements=["key"], set_=_ONE_MORE)
        .returning(*_COLUMNS),
    )


@cache
def increment(keys: int) -> CompiledStatement[None]:
    """Return the statement for MySQL, which has no RETURNING."""
    return CompiledStatement(_mysql_increment(keys))


@cache
def counters(keys: int) -> CompiledStatement[CounterRow]:
    return CompiledStatement(select(*_COLUMNS).where(_KEY.in_(_parameters("key", keys))), CounterRow)


@cache
def decrement(keys: int) -> CompiledStatement[None]:
    own_lockout = RateLimitCounter.locked_until.in_(_parameters("lockout_end", keys, UTCDateTime()))
    return CompiledStatement(
        update(RateLimitCounter)
        .where(
            _KEY.in_(_parameters("key", keys)),
            RateLimitCounter.resets_at > bindparam("now"),
            RateLimitCounter.count > 0,
        )
        .values(
            locked_until=case((own_lockout, null()), else_=RateLimitCounter.locked_until),
            count=RateLimitCounter.count - 1,
        )
    )


@cache
def delete_counters(keys: int, reset_keys: int) -> CompiledStatement[None]:
    """Return the statement that deletes counters with at most one attempt, and the `reset_keys` in any case."""
    parameters, reset_parameters = _parameters("key", keys), _parameters("reset_key", reset_keys)
    is_deleted: list[ColumnElement[bool]] = [_KEY.in_(reset_parameters)] if reset_keys else []
    is_deleted += [RateLimitCounter.count <= 1] if keys else []
    return CompiledStatement(
        delete(RateLimitCounter).where(_KEY.in_([*parameters, *reset_parameters]), or_(*is_deleted))
    )


def _mysql_increment(keys: int) -> mysql.Insert:
    return mysql.insert(RateLimitCounter).values(_new_rows(keys)).on_duplicate_key_update(_ONE_MORE)


def _new_rows(keys: int) -> list[dict[str, object]]:
    return [
        {"key": key, "count": 1, "resets_at": resets_at}
        for key, resets_at in zip(_parameters("key", keys), _parameters("resets_at", keys), strict=True)
    ]


def _parameters(name: str, count: int, column_type: TypeEngine[Any] | None = None) -> list[BindParameter[Any]]:
    return [bindparam(f"{name}_{number}", type_=column_type) for number in range(count)]
