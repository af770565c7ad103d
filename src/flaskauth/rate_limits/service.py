"""Count attempts before the work that they limit, and refund successful ones.

One statement counts an attempt against all its limits. It locks their counters until the transaction ends, always in
the order of their keys, so the counts that follow from it are exact and concurrent attempts cause no deadlock.

To count guesses of a secret, call `hit` through `core.db.session.commit_now`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from limits import parse_many
from sqlalchemy import case, null, update

from flaskauth.core import clock, crypto
from flaskauth.core.db.session import delete_batch, execute_count
from flaskauth.rate_limits import statements
from flaskauth.rate_limits.models import RateLimitCounter
from flaskauth.rate_limits.statements import CounterRow

FIRST_LOCKOUT = timedelta(seconds=30)
MAX_LOCKOUT = timedelta(hours=1)
LOCKOUT_STEPS = 7  # doublings until MAX_LOCKOUT
SHARDS = 10


@dataclass(frozen=True)
class RateLimit:
    """A number of attempts in a window that opens with the first attempt.

    With `has_backoff`, only a lockout rejects attempts. From the limit on, each attempt starts one: 30 s, doubling to
    1 h. The counter resets when a whole window has passed after the maximum lockout.
    """

    limit: int
    window: timedelta
    has_backoff: bool = False


@dataclass(frozen=True)
class RateLimitResult:
    """The result of counting an attempt: allowed, or rejected until `retry_at` and not counted."""

    keys: tuple[bytes, ...]
    is_allowed: bool
    retry_at: datetime
    lockout_ends: tuple[datetime, ...] = ()  # of the lockouts that the attempt started

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


def hit(*limits: tuple[bytes, RateLimit]) -> RateLimitResult:
    """Count an attempt against all limits, each given with its key. If one rejects it, count it against none.

    Of several limits that reject it, the first decides until when.
    """
    now, keys = clock.now(), tuple(key for key, _ in limits)
    counters = statements.increment({key: now + rate_limit.window for key, rate_limit in limits})
    for key, rate_limit in limits:
        if retry_at := _rejected_until(counters[key], rate_limit, now):
            decrement(keys)
            return RateLimitResult(keys, is_allowed=False, retry_at=retry_at)
    lockout_ends = (_start_window_or_lockout(counters[key], rate_limit, now) for key, rate_limit in limits)
    return RateLimitResult(keys, is_allowed=True, retry_at=now, lockout_ends=tuple(filter(None, lockout_ends)))


def refund(result: RateLimitResult, *reset_keys: bytes) -> None:
    """Subtract a successful attempt from its counts and end the lockouts that it started. Delete the `reset_keys`.

    A counter without other attempts is deleted too. In most cases, one statement does all of this.
    """
    keys = [key for key in result.keys if key not in reset_keys]
    if statements.delete_counters(keys, reset_keys) < len(keys) + len(reset_keys):
        decrement(keys, result.lockout_ends)


def decrement(keys: Sequence[bytes], lockout_ends: Sequence[datetime] = ()) -> None:
    """Subtract an attempt from the counts of the current windows, and end lockouts with exactly these ends."""
    is_own_lockout = RateLimitCounter.locked_until.in_(lockout_ends)
    counted = update(RateLimitCounter).where(
        RateLimitCounter.key.in_(keys), RateLimitCounter.resets_at > clock.now(), RateLimitCounter.count > 0
    )
    locked_until = case((is_own_lockout, null()), else_=RateLimitCounter.locked_until)
    execute_count(counted.values(locked_until=locked_until, count=RateLimitCounter.count - 1))


def reset(*keys: bytes) -> None:
    """Delete the counters of these keys."""
    statements.delete_counters((), keys)


def hit_sharded(kind: str, rate_limit: RateLimit) -> RateLimitResult | None:
    """Count an attempt against a global limit, or return None if it is exhausted.

    The counter is spread over 10 rows, so that concurrent requests do not wait for one row lock.
    """
    start = crypto.random_number(SHARDS)
    share = RateLimit(rate_limit.limit // SHARDS, rate_limit.window)
    results = (hit((counter_key(kind, (start + step) % SHARDS), share)) for step in range(SHARDS))
    return next((result for result in results if result.is_allowed), None)


def purge() -> int:
    """Delete one batch of counters whose window has ended. Return the number of deleted rows."""
    return delete_batch(RateLimitCounter.key, RateLimitCounter.resets_at <= clock.now())


def _rejected_until(counter: CounterRow, rate_limit: RateLimit, now: datetime) -> datetime | None:
    """Return when the next attempt is allowed if the counter, which includes this attempt, rejects it."""
    if counter.resets_at <= now:
        return None
    if counter.locked_until and counter.locked_until > now:
        return counter.locked_until
    return counter.resets_at if counter.count > rate_limit.limit and not rate_limit.has_backoff else None


def _start_window_or_lockout(counter: CounterRow, rate_limit: RateLimit, now: datetime) -> datetime | None:
    """Start the window or the lockout that an allowed attempt causes. Return the end of the lockout."""
    is_expired = counter.resets_at <= now
    count = 1 if is_expired else counter.count
    excess, resets_at, locked_until = count - rate_limit.limit, now + rate_limit.window, None
    if rate_limit.has_backoff and excess >= 0:
        resets_at += MAX_LOCKOUT
        locked_until = now + min(MAX_LOCKOUT, FIRST_LOCKOUT * 2 ** min(excess, LOCKOUT_STEPS))
    elif not is_expired:
        return None
    stored = update(RateLimitCounter).where(RateLimitCounter.key == counter.key)
    execute_count(stored.values(count=count, resets_at=resets_at, locked_until=locked_until))
    return locked_until
