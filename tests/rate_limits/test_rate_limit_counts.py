"""One statement counts an attempt against several limits: all of them or none, also for concurrent attempts."""

from datetime import timedelta
from functools import partial

from flask import Flask
from sqlalchemy import select
from tests.support.inspect import in_transaction, query_all, run_concurrently

from flaskauth.core import clock
from flaskauth.core.db.session import commit_now
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.models import RateLimitCounter
from flaskauth.rate_limits.service import RateLimit, RateLimitResult

KEYS = [rate_limits.counter_key("test", number) for number in range(3)]
WINDOW = timedelta(hours=1)
THREE, TEN = RateLimit(3, WINDOW), RateLimit(10, WINDOW)


def hit(app: Flask, *limits: tuple[bytes, RateLimit]) -> RateLimitResult:
    return in_transaction(app, lambda: commit_now(rate_limits.hit, *limits))


def counts(app: Flask) -> dict[bytes, int]:
    rows = query_all(app, select(RateLimitCounter))
    return {row.key: row.count for row in rows if row.resets_at > clock.now()}


def test_hit_above_one_limit_counts_against_none(app: Flask) -> None:
    limits = (KEYS[2], TEN), (KEYS[0], THREE), (KEYS[1], TEN)
    assert [hit(app, *limits).is_allowed for _ in range(5)] == [True] * 3 + [False] * 2
    assert counts(app) == dict.fromkeys(KEYS, 3)


def test_hit_after_the_window_opens_a_new_one(app: Flask) -> None:
    for _ in range(4):
        hit(app, (KEYS[0], THREE))
    clock.travel(WINDOW)
    assert hit(app, (KEYS[0], THREE)).is_allowed
    assert counts(app) == {KEYS[0]: 1}


def test_refund_keeps_other_attempts_and_deletes_reset_keys(app: Flask) -> None:
    first = hit(app, (KEYS[0], TEN), (KEYS[1], TEN))
    second = hit(app, (KEYS[0], TEN), (KEYS[1], TEN))
    in_transaction(app, lambda: rate_limits.refund(first, KEYS[1]))
    assert counts(app) == {KEYS[0]: 1}
    in_transaction(app, lambda: rate_limits.refund(second, KEYS[1]))
    assert counts(app) == {}


def test_refund_ends_only_its_own_lockout(app: Flask) -> None:
    limit = RateLimit(1, WINDOW, has_backoff=True)
    first = hit(app, (KEYS[0], limit))
    assert not hit(app, (KEYS[0], limit)).is_allowed
    clock.travel(timedelta(seconds=30))
    second = hit(app, (KEYS[0], limit))
    in_transaction(app, lambda: rate_limits.refund(first))
    assert not hit(app, (KEYS[0], limit)).is_allowed
    in_transaction(app, lambda: rate_limits.refund(second))
    assert hit(app, (KEYS[0], limit)).is_allowed


def test_concurrent_hits_in_any_order_never_exceed_the_limit(app: Flask) -> None:
    limits = [(KEYS[0], THREE), (KEYS[1], TEN), (KEYS[2], TEN)]
    works = [partial(hit, app, *(limits if number % 2 else reversed(limits))) for number in range(8)]
    results = run_concurrently(works)

    assert sum(result.is_allowed for result in results) == 3
    assert counts(app) == dict.fromkeys(KEYS, 3)
