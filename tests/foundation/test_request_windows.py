"""Requests counted in one process, by many threads at once."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from limits import parse
from limits.strategies import FixedWindowRateLimiter
from tests.inside import together

from flaskauth.foundation.windows import SWEEP_EVERY, Windows

THREADS, BURSTS, REST = 16, 60, 0.012
MOST = 900  # of 960


@contextmanager
def often_interrupted() -> Iterator[None]:
    """Python turns to another thread after every microsecond, so that none of them is done with anything."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_threads_that_count_at_once_let_no_more_through_and_never_fail() -> None:
    """In bursts with rests between, as it is the first of a burst that woke the library's own store."""
    limiter, limit, start = FixedWindowRateLimiter(Windows()), parse(f"{MOST}/hour"), threading.Barrier(THREADS)

    def hit() -> int:
        through = 0
        for _ in range(BURSTS):
            start.wait()
            through += limiter.hit(limit, "key")
            time.sleep(REST)
        return through

    with often_interrupted():
        assert sum(together([hit] * THREADS)) == MOST
    assert not limiter.test(limit, "key")
    assert limiter.test(limit, "another key")


def test_counting_starts_no_thread() -> None:
    before, windows = threading.active_count(), Windows()
    windows.incr("key", 60)

    assert threading.active_count() == before


def test_a_window_ends_and_is_forgotten() -> None:
    windows = Windows()
    count = partial(windows.incr, "key", 0.2)

    assert (count(), count(), windows.get("key")) == (1, 2, 2)
    assert 0 < windows.get_expiry("key") - time.time() <= 0.2
    time.sleep(0.25)
    assert (windows.get("key"), count()) == (0, 1)

    windows.incr("other", 0.0)
    windows._sweep_at -= SWEEP_EVERY
    windows.incr("third", 60)
    assert "other" not in windows._windows


def test_counts_can_be_taken_back() -> None:
    windows = Windows()
    windows.incr("key", 60, 3)
    windows.clear("key")

    assert windows.get("key") == 0
    assert windows.incr("key", 60) == 1
    assert (windows.reset(), windows.get("key")) == (1, 0)
