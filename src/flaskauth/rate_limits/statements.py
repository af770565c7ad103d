"""The two frequent statements of rate-limit counters, compiled once for each number of keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.dialects import mysql, sqlite

from flaskauth.core.db.compiled import CompiledStatement, list_parameters, list_values
from flaskauth.core.db.session import db
from flaskauth.rate_limits.models import RateLimitCounter


class CounterRow(NamedTuple):
    """The state of a counter."""

    key: bytes
    count: int  # type: ignore[assignment]  # shadows tuple.count
    resets_at: datetime
    locked_until: datetime | None


_COLUMNS = (RateLimitCounter.key, RateLimitCounter.count, RateLimitCounter.resets_at, RateLimitCounter.locked_until)


def increment(new_windows: Mapping[bytes, datetime]) -> dict[bytes, CounterRow]:
    """Add one to each counter, or insert it with the end of its window. Lock the rows, and return them as they are."""
    keys = sorted(new_windows)
    parameters = list_values("key", keys)
    windows = list_values("resets_at", [new_windows[key] for key in keys])
    if db.engine.dialect.insert_returning:
        rows = _increment_returning(len(keys)).all(**parameters, **windows)
    else:  # MySQL
        _increment(len(keys)).rowcount(**parameters, **windows)
        rows = _counters(len(keys)).all(**parameters)
    return {row.key: row for row in rows}


def delete_counters(unused: Sequence[bytes], keys: Sequence[bytes]) -> int:
    """Delete the counters of these keys, and those that are `unused`: with at most one attempt. Return the number."""
    return _delete(len(unused), len(keys)).rowcount(**list_values("unused", unused), **list_values("key", keys))


@cache
def _increment_returning(keys: int) -> CompiledStatement[CounterRow]:
    insert = sqlite.insert(RateLimitCounter).values(_new_rows(keys))
    upsert = insert.on_conflict_do_update(index_elements=["key"], set_={"count": RateLimitCounter.count + 1})
    return CompiledStatement(
        _mysql_upsert(keys).returning(*_COLUMNS), CounterRow, sqlite_statement=upsert.returning(*_COLUMNS)
    )


@cache
def _increment(keys: int) -> CompiledStatement[None]:
    return CompiledStatement(_mysql_upsert(keys))


@cache
def _counters(keys: int) -> CompiledStatement[CounterRow]:
    return CompiledStatement(
        select(*_COLUMNS).where(RateLimitCounter.key.in_(list_parameters("key", RateLimitCounter.key, keys))),
        CounterRow,
    )


@cache
def _delete(unused: int, keys: int) -> CompiledStatement[None]:
    all_keys = [
        *list_parameters("unused", RateLimitCounter.key, unused),
        *list_parameters("key", RateLimitCounter.key, keys),
    ]
    is_deleted: list[ColumnElement[bool]] = [RateLimitCounter.count <= 1] if unused else []
    is_deleted += [RateLimitCounter.key.in_(list_parameters("key", RateLimitCounter.key, keys))] if keys else []
    return CompiledStatement(delete(RateLimitCounter).where(RateLimitCounter.key.in_(all_keys), or_(*is_deleted)))


def _mysql_upsert(keys: int) -> mysql.Insert:
    return (
        mysql.insert(RateLimitCounter).values(_new_rows(keys)).on_duplicate_key_update(count=RateLimitCounter.count + 1)
    )


def _new_rows(keys: int) -> list[dict[str, object]]:
    windows = zip(
        list_parameters("key", RateLimitCounter.key, keys),
        list_parameters("resets_at", RateLimitCounter.resets_at, keys),
        strict=True,
    )
    return [{"key": key, "count": 1, "resets_at": resets_at} for key, resets_at in windows]
