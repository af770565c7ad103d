"""Interleaved hits never exceed a rate limit."""

from datetime import timedelta

import pytest
from flask import Flask
from tests.concurrency.interleaving import run_interleaved
from tests.conftest import sql_servers
from tests.support.inspect import in_transaction

from flaskauth.core.db.session import commit_now
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit, RateLimitResult

pytestmark = pytest.mark.parametrize("database", sql_servers(), indirect=True)

KEY = rate_limits.counter_key("test")
LIMIT_OF_THREE = RateLimit(3, timedelta(hours=1))


def hit(app: Flask) -> RateLimitResult:
    return in_transaction(app, lambda: commit_now(rate_limits.hit, (KEY, LIMIT_OF_THREE)))


def test_interleaved_rate_limit_hits_never_exceed_the_limit(app: Flask) -> None:
    """A hit that was prepared before the limit was reached is rejected after it."""
    assert hit(app).is_allowed
    paused_result, results = run_interleaved(
        app, "INSERT INTO rate_limit_counters", lambda: hit(app), lambda: [hit(app) for _ in range(3)]
    )
    assert [result.is_allowed for result in (*results, paused_result)] == [True, True, False, False]
