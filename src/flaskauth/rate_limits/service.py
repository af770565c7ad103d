"""Count attempts before the work, by one conditional UPDATE whose row count decides, and refund successful ones.

To count guesses of a secret, call these functions through `core.db.session.commit_now`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from limits import parse_many

from flaskauth.core import clock, crypto
from flaskauth.core.db.session import delete_batch
from flaskauth.rate_limits.models import RateLimitCounter
from flaskauth.rate_limits.statements import (
    COUNTER_QUERY,
    DECREMENT,
    DELETE_COUNTER,
    INCREMENT,
    INCREMENT_OR_LOCK,
    LOCKOUT_PARAMETERS,
    OPEN_WINDOW,
)

FIRST_LOCKOUT = timedelta(seconds=30)
MAX_LOCKOUT = timedelta(hours=1)
SHARDS = 10


@dataclass(frozen=True)
class RateLimit:
    """A number of attempts in a window that opens with the first attempt."""

    limit: int
    window: timedelta


@dataclass(frozen=True)
class RateLimitResult:
    """The result of counting an attempt: allowed, or rejected until `retry_at`."""

    key: bytes
    is_allowed: bool
    retry_at: datetime
    has_started_lockout: bool = False

    @property
    def retry_after(self) -> float:
        return max(1.0, (self.retry_at - clock.now()).total_seconds())


@cache
def parse(limits: str) -> tuple[RateLimit, ...]:
    """Return the limits of a setting, such as "60/hour; 200/day"."""
    return tuple(RateLimit(item.amount, timedelta(seconds=item.get_expiry())) for item in parse_many(limits))


def counter_key(kind: str, *parts: str | int | bytes) -> bytes:
    """Return the key of a counter."""
    return crypto.digest(kind, *parts)


def hit(key: bytes, rate_limit: RateLimit) -> RateLimitResult:
    """Count an attempt. Above the limit, reject it until the window ends."""
    if _try_increment(key, rate_limit.limit, rate_limit.window):
        return RateLimitResult(key, is_allowed=True, retry_at=clock.now())
    return RateLimitResult(key, is_allowed=False, retry_at=COUNTER_QUERY.one(key=key).resets_at)


def hit_all(limits: Sequence[tuple[bytes, RateLimit]]) -> bool:
    """Count an attempt against each limit, given with its key. If one is exceeded, count nothing and return False."""
    for number, (key, rate_limit) in enumerate(limits):
        if not _try_increment(key, rate_limit.limit, rate_limit.window):
            for counted_key, _ in limits[:number]:
                decrement(counted_key)
            return False
    return True


def hit_with_backoff(key: bytes, rate_limit: RateLimit) -> RateLimitResult:
    """Count an attempt. From the limit on, each further attempt starts a lockout: 30 s, doubling to 1 h.

    The counter resets when a whole window has passed after the maximum lockout.
    """
    now = clock.now()
    if _try_increment(key, rate_limit.limit - 1, rate_limit.window):
        return RateLimitResult(key, is_allowed=True, retry_at=now)
    lockouts = {name: now + min(MAX_LOCKOUT, FIRST_LOCKOUT * 2**step) for step, name in enumerate(LOCKOUT_PARAMETERS)}
    resets_at = now + MAX_LOCKOUT + rate_limit.window
    is_allowed = (
        INCREMENT_OR_LOCK.rowcount(key=key, now=now, limit=rate_limit.limit, last_reset=resets_at, **lockouts) == 1
    )
    row = COUNTER_QUERY.one(key=key)
    return RateLimitResult(
        key,
        is_allowed,
        row.locked_until or row.resets_at,
        has_started_lockout=is_allowed and row.locked_until is not None,
    )


def refund(result: RateLimitResult) -> None:
    """Subtract a successful attempt from the count, and end the lockout that it started."""
    lockout_end = result.retry_at if result.has_started_lockout else None
    DECREMENT.rowcount(key=result.key, now=clock.now(), lockout_end=lockout_end)


def decrement(key: bytes) -> None:
    """Subtract an attempt from the count of the current window."""
    DECREMENT.rowcount(key=key, now=clock.now(), lockout_end=None)


def reset(key: bytes) -> None:
    """Delete the counter of a key."""
    DELETE_COUNTER.rowcount(key=key)


def hit_sharded(kind: str, rate_limit: RateLimit) -> RateLimitResult | None:
    """Count an attempt against a global limit, or return None if it is exhausted.

    The counter is spread over 10 rows, so that concurrent requests do not wait for one row lock.
    """
    start = crypto.random_number(SHARDS)
    share = RateLimit(rate_limit.limit // SHARDS, rate_limit.window)
    results = (hit(counter_key(kind, (start + step) % SHARDS), share) for step in range(SHARDS))
    return next((result for result in results if result.is_allowed), None)


def count(key: bytes) -> int:
    """Return the number of attempts in the current window."""
    row = COUNTER_QUERY.first(key=key)
    return row.count if row and row.resets_at > clock.now() else 0


def purge() -> int:
    """Delete one batch of counters whose window has ended. Return the number of deleted rows."""
    return delete_batch(RateLimitCounter.key, RateLimitCounter.resets_at <= clock.now())


def _try_increment(key: bytes, limit: int, window: timedelta) -> bool:
    """Count an attempt below the limit, opening a window if none is open. Return False above the limit."""
    now = clock.now()
    if INCREMENT.rowcount(key=key, now=now, limit=limit):
        return True
    OPEN_WINDOW.rowcount(key=key, count=0, locked_until=None, resets_at=now + window, now=now)
    return INCREMENT.rowcount(key=key, now=now, limit=limit) == 1
