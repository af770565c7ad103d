"""Rate limits counted in the memory of one process, by concurrent threads."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from limits import parse
from limits.strategies import FixedWindowRateLimiter
from tests.support.inspect import run_concurrently

from flaskauth.core.http.memory_storage import CLEANUP_INTERVAL, InMemoryStorage

THREADS, BURSTS, PAUSE = 16, 60, 0.012
LIMIT = 900  # of 960


@contextmanager
def short_switch_interval() -> Iterator[None]:
    """Switch threads every microsecond, so that every operation is interrupted."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_rate_limit_concurrent_threads_never_exceed_limit() -> None:
    """Requests come in bursts with pauses: the storage of the `limits` library loses counts at the start of a burst."""
    limiter, limit, start = (
        FixedWindowRateLimiter(InMemoryStorage()),
        parse(f"{LIMIT}/hour"),
        threading.Barrier(THREADS),
    )

    def hit() -> int:
        allowed = 0
        for _ in range(BURSTS):
            start.wait()
            allowed += limiter.hit(limit, "key")
            time.sleep(PAUSE)
        return allowed

    with short_switch_interval():
        assert sum(run_concurrently([hit] * THREADS)) == LIMIT
    assert not limiter.test(limit, "key")
    assert limiter.test(limit, "different key")


def test_memory_storage_starts_no_thread() -> None:
    before, storage = threading.active_count(), InMemoryStorage()
    storage.incr("key", 60)

    assert threading.active_count() == before


def test_rate_limit_window_expires_and_is_swept() -> None:
    storage = InMemoryStorage()
    count = partial(storage.incr, "key", 0.2)

    assert (count(), count(), storage.get("key")) == (1, 2, 2)
    assert 0 < storage.get_expiry("key") - time.time() <= 0.2
    time.sleep(0.25)
    assert (storage.get("key"), count()) == (0, 1)

    storage.incr("other", 0.0)
    storage._next_cleanup_at -= CLEANUP_INTERVAL
    storage.incr("third", 60)
    assert "other" not in storage._windows


def test_memory_storage_clear_and_reset_remove_counts() -> None:
    storage = InMemoryStorage()
    storage.incr("key", 60, 3)
    storage.clear("key")

    assert storage.get("key") == 0
    assert storage.incr("key", 60) == 1
    assert (storage.reset(), storage.get("key")) == (1, 0)
