"""The statements of rate-limit counters. The row count of a conditional UPDATE decides."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Integer, bindparam, case, delete, null, or_, select, update
from sqlalchemy.dialects import mysql, sqlite

from flaskauth.core.db.compiled import CompiledStatement
from flaskauth.core.db.types import UTCDateTime
from flaskauth.rate_limits.models import RateLimitCounter

LOCKOUT_PARAMETERS = [f"lockout_{step}" for step in range(8)]  # 30 s, 1, 2, 4, 8, 16, 32 minutes, 1 h

_SAME_KEY = RateLimitCounter.key == bindparam("key")
_OPEN_WINDOW = update(RateLimitCounter).where(_SAME_KEY, RateLimitCounter.resets_at > bindparam("now"))
_excess: ColumnElement[int] = RateLimitCounter.count + 1 - bindparam("limit", type_=Integer())
_WITHOUT_OWN_LOCKOUT = case(
    (RateLimitCounter.locked_until == bindparam("lockout_end"), null()), else_=RateLimitCounter.locked_until
)
_NOT_LOCKED = or_(RateLimitCounter.locked_until.is_(None), RateLimitCounter.locked_until <= bindparam("now"))
_FIRST_LOCKOUT, *_LATER_LOCKOUTS = (bindparam(name, type_=UTCDateTime()) for name in LOCKOUT_PARAMETERS)
_LOCKED_UNTIL = case(
    (_excess < 0, null()),
    (_excess == 0, _FIRST_LOCKOUT),
    *((_excess == step, lockout) for step, lockout in enumerate(_LATER_LOCKOUTS[:-1], start=1)),
    else_=_LATER_LOCKOUTS[-1],
)

_RESET_COLUMNS = ("count", "locked_until", "resets_at")
_mysql_insert, _sqlite_insert = mysql.insert(RateLimitCounter), sqlite.insert(RateLimitCounter)
_is_expired = RateLimitCounter.resets_at <= bindparam("now")


class CounterRow(NamedTuple):
    """The state of a counter."""

    count: int  # type: ignore[assignment]  # shadows tuple.count
    resets_at: datetime
    locked_until: datetime | None


INCREMENT = CompiledStatement(
    _OPEN_WINDOW.where(_NOT_LOCKED, RateLimitCounter.count < bindparam("limit")).values(
        count=RateLimitCounter.count + 1
    )
)
INCREMENT_OR_LOCK = CompiledStatement(
    _OPEN_WINDOW.where(_NOT_LOCKED).ordered_values(
        # MySQL assigns from left to right, so `count` is last.
        (RateLimitCounter.locked_until, _LOCKED_UNTIL),
        (
            RateLimitCounter.resets_at,
            case((_excess < 0, RateLimitCounter.resets_at), else_=bindparam("last_reset", type_=UTCDateTime())),
        ),
        (RateLimitCounter.count, RateLimitCounter.count + 1),
    )
)
DECREMENT = CompiledStatement(
    _OPEN_WINDOW.where(RateLimitCounter.count > 0).values(
        locked_until=_WITHOUT_OWN_LOCKOUT, count=RateLimitCounter.count - 1
    )
)
# Opens a window if none is open. MySQL assigns from left to right, so `resets_at` is last.
OPEN_WINDOW = CompiledStatement(
    _mysql_insert.on_duplicate_key_update(
        [
            (name, case((_is_expired, _mysql_insert.inserted[name]), else_=getattr(RateLimitCounter, name)))
            for name in _RESET_COLUMNS
        ]
    ),
    sqlite_statement=_sqlite_insert.on_conflict_do_update(
        index_elements=["key"], set_={name: _sqlite_insert.excluded[name] for name in _RESET_COLUMNS}, where=_is_expired
    ),
)
COUNTER_QUERY = CompiledStatement(
    select(RateLimitCounter.count, RateLimitCounter.resets_at, RateLimitCounter.locked_until).where(_SAME_KEY),
    CounterRow,
)
DELETE_COUNTER = CompiledStatement(delete(RateLimitCounter).where(_SAME_KEY))
