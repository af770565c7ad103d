"""Count before the work, by one conditional UPDATE whose row count decides; give back what was right.

Call these inside `foundation.db.at_once` where a guess is at stake.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, case, delete, false, literal, null, or_, select, update

from flaskauth.foundation import clock, crypto
from flaskauth.foundation.columns import Moment
from flaskauth.foundation.db import changed, db, delete_some, insert_if_absent
from flaskauth.throttles.models import Budget

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
DOUBLINGS = 8  # 30 s, 1, 2, 4, 8, 16, 32 minutes, 1 h
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
    one_more = _open_rows(key).where(Budget.spent < allowance.most).values(spent=Budget.spent + 1)
    granted = _take(key, one_more, allowance)
    row = _row(key)
    return Spending(key, granted, row.resets_at)


def spend_or_wait(key: bytes, allowance: Allowance) -> Spending:
    """Take one of an allowance past which each further one costs a wait: 30 s, doubling to 1 h.

    The allowance comes back when a whole window went by after the last wait.
    """
    now = clock.now()
    count = Budget.spent + 1
    last = now + LONGEST_WAIT + allowance.window
    free = _open_rows(key).where(or_(Budget.waits_until.is_(None), Budget.waits_until <= now))
    # MySQL assigns from left to right: what reads `spent` stands before it.
    one_more = free.ordered_values(
        (Budget.waits_until, _wait(count - allowance.most, now)),
        (Budget.resets_at, case((count < allowance.most, Budget.resets_at), else_=literal(last, Moment()))),
        (Budget.spent, count),
    )
    granted = _take(key, one_more, allowance)
    row = _row(key)
    return Spending(key, granted, row.waits_until or row.resets_at, began_wait=granted and row.waits_until is not None)


def give_back(spending: Spending) -> None:
    """The try was right: it does not count, and the wait that it began ends."""
    mine = Budget.waits_until == spending.waits_until if spending.began_wait else false()
    ended = case((mine, null()), else_=Budget.waits_until)
    same = _open_rows(spending.key).where(Budget.spent > 0)
    changed(same.values(waits_until=ended, spent=Budget.spent - 1))


def clear(key: bytes) -> None:
    """Forget what was spent under this key."""
    changed(delete(Budget).where(Budget.key == key))


def spend_striped(kind: str, allowance: Allowance) -> Spending | None:
    """Take one of an allowance that all share, spread over rows so that nobody queues; None when it is spent."""
    start = crypto.random_number(STRIPES)
    share = Allowance(allowance.most // STRIPES, allowance.window)
    tries = (spend(key_of(kind, (start + step) % STRIPES), share) for step in range(STRIPES))
    return next((spending for spending in tries if spending.granted), None)


def spent(key: bytes) -> int:
    """How many were taken in the window that is open."""
    row = db.session.execute(select(Budget.spent).where(Budget.key == key, Budget.resets_at > clock.now())).first()
    return row.spent if row else 0


def purge() -> int:
    """Delete budgets whose window is over, some at a time; they are as good as never opened."""
    return delete_some(Budget.key, Budget.resets_at <= clock.now())


def _open_rows(key: bytes) -> Update:
    return update(Budget).where(Budget.key == key, Budget.resets_at > clock.now())


def _take(key: bytes, one_more: Update, allowance: Allowance) -> bool:
    if changed(one_more):
        return True
    now = clock.now()
    anew = {"spent": 0, "waits_until": None, "resets_at": now + allowance.window}
    over = update(Budget).where(Budget.key == key, Budget.resets_at <= now)
    if not changed(over.values(**anew)):
        insert_if_absent(Budget.__table__, key=key, **anew)  # type: ignore[arg-type]
    return changed(one_more) == 1


def _row(key: bytes) -> Any:
    return db.session.execute(select(Budget.spent, Budget.resets_at, Budget.waits_until).where(Budget.key == key)).one()


def _wait(past: ColumnElement[int], now: datetime) -> ColumnElement[Any]:
    """When the wait after this try ends; none while the allowance lasts."""
    doubled = [(past == step, now + min(LONGEST_WAIT, FIRST_WAIT * 2**step)) for step in range(DOUBLINGS - 1)]
    return case(
        (past < 0, null()),
        *((when, literal(then, Moment())) for when, then in doubled),
        else_=literal(now + LONGEST_WAIT, Moment()),
    )
