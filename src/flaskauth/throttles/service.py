"""Count before the work, by one conditional UPDATE whose row count decides; give back what was right.

Call these inside `foundation.db.at_once` where a guess is at stake.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flaskauth.foundation import clock, crypto
from flaskauth.foundation.db import delete_some
from flaskauth.throttles.models import Budget
from flaskauth.throttles.statements import CLEAR, FOUND, ONE_LESS, ONE_MORE, ONE_MORE_OR_WAIT, OPEN, WAITS

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
STRIPES = 10


@dataclass(frozen=True)
class Allowance:
    """So many in a window, which opens with the first."""

    most: int
    window: timedelta


@dataclass(frozen=True)
class Spending:
    """What came of spending: granted, or refused until `waits_until`."""

    key: bytes
    granted: bool
    waits_until: datetime
    began_wait: bool = False

    @property
    def retry_after(self) -> float:
        return max(1.0, (self.waits_until - clock.now()).total_seconds())


def key_of(kind: str, *parts: str | int | bytes) -> bytes:
    """The key of a budget."""
    return crypto.digest(kind, *parts)


def spend(key: bytes, allowance: Allowance) -> Spending:
    """Take one of an allowance; refused until its window is over."""
    if _take(key, allowance.most, allowance.window):
        return Spending(key, granted=True, waits_until=clock.now())
    return Spending(key, granted=False, waits_until=FOUND.one(key=key).resets_at)


def spend_or_wait(key: bytes, allowance: Allowance) -> Spending:
    """Take one of an allowance past which each further one costs a wait: 30 s, doubling to 1 h.

    The allowance comes back when a whole window went by after the last wait.
    """
    now = clock.now()
    if _take(key, allowance.most - 1, allowance.window):
        return Spending(key, granted=True, waits_until=now)
    waits = {name: now + min(LONGEST_WAIT, FIRST_WAIT * 2**step) for step, name in enumerate(WAITS)}
    last = now + LONGEST_WAIT + allowance.window
    granted = ONE_MORE_OR_WAIT.changed(key=key, now=now, most=allowance.most, last=last, **waits) == 1
    row = FOUND.one(key=key)
    return Spending(key, granted, row.waits_until or row.resets_at, began_wait=granted and row.waits_until is not None)


def give_back(spending: Spending) -> None:
    """The try was right: it does not count, and the wait that it began ends."""
    began = spending.waits_until if spending.began_wait else None
    ONE_LESS.changed(key=spending.key, now=clock.now(), began=began)


def clear(key: bytes) -> None:
    """Forget what was spent under this key."""
    CLEAR.changed(key=key)


def spend_striped(kind: str, allowance: Allowance) -> Spending | None:
    """Take one of an allowance that all share, spread over rows so that nobody queues; None when it is spent."""
    start = crypto.random_number(STRIPES)
    share = Allowance(allowance.most // STRIPES, allowance.window)
    tries = (spend(key_of(kind, (start + step) % STRIPES), share) for step in range(STRIPES))
    return next((spending for spending in tries if spending.granted), None)


def spent(key: bytes) -> int:
    """How many were taken in the window that is open."""
    row = FOUND.first(key=key)
    return row.spent if row and row.resets_at > clock.now() else 0


def purge() -> int:
    """Delete budgets whose window is over, some at a time; they are as good as never opened."""
    return delete_some(Budget.key, Budget.resets_at <= clock.now())


def _take(key: bytes, most: int, window: timedelta) -> bool:
    """Whether one more of so many was free, in a window that is opened where none is."""
    now = clock.now()
    if ONE_MORE.changed(key=key, now=now, most=most):
        return True
    OPEN.changed(key=key, spent=0, waits_until=None, resets_at=now + window, now=now)
    return ONE_MORE.changed(key=key, now=now, most=most) == 1
