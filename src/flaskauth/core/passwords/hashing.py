"""Password hashing behind a bounded queue: in the hash process of `flaskauth serve`, else in threads."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import current_app

from flaskauth.core import crypto
from flaskauth.core.db import session as db_session
from flaskauth.core.errors import Overloaded
from flaskauth.core.observability import metrics as core_metrics
from flaskauth.core.passwords import hashes
from flaskauth.core.passwords.hash_process import NICENESS, HashProcess, HashProcessLost

P = ParamSpec("P")
T = TypeVar("T")

MAX_QUEUE_SECONDS = 0.5  # estimated seconds in the queue
MAX_WAIT_SECONDS = 0.5  # seconds in the queue; at the beginning of a burst the estimate is too low
OPERATIONS_PER_THREAD = 3  # concurrent operations per thread: one hashes while the others use the database
INITIAL_HASH_SECONDS = 0.05  # estimated duration of a hash, until it is measured
KEY = "flaskauth.hashing"


class _ThreadSlot(threading.local):
    """Whether the current thread has reserved an entry of the queue, and how many entries are its own."""

    is_reserved = False
    own_entries = 0


class HashingPool:
    """A bounded queue, and threads or a process that hash. Argon2 releases the GIL: other requests continue meanwhile.

    With a process, `thread_count` is this server process's share of its threads. The other share is not reserved.
    """

    def __init__(self, processes: int, max_queued: int) -> None:
        self.thread_count = max(1, (os.cpu_count() or 1) // processes)
        self.max_queued, self.max_wait = max_queued, MAX_WAIT_SECONDS
        self.completed = 0
        self._seconds_per_entry = INITIAL_HASH_SECONDS / self.thread_count  # between two completed hashes
        self.pending = 0
        self._lock = threading.Lock()
        self._operation_slots = threading.Semaphore(OPERATIONS_PER_THREAD * self.thread_count)
        self._slot = _ThreadSlot()
        self._executor = ThreadPoolExecutor(
            self.thread_count, thread_name_prefix="hashing", initializer=_lower_priority
        )
        self.process: HashProcess | None = None

    def run(self, function: Callable[..., T], *args: str | None) -> T:
        """Call a function of `hashes` and return its result.

        Raises:
            Overloaded: the queue is too long, or the hash process was killed. Work with a reserved entry is rejected
                only in the second case.
        """
        if self._slot.is_reserved:
            self._slot.is_reserved = False
            return self.run_unqueued(function, *args)
        with self._queue_entry():
            return self.run_unqueued(function, *args)

    def run_unqueued(self, function: Callable[..., T], *args: str | None) -> T:
        """Run a further hash of an operation whose first hash is done. It is not rejected for a long queue.

        Raises:
            Overloaded: the hash process was killed.
        """
        try:
            if self.process:
                return self.process.run(function, *args)
            return self._executor.submit(function, *args).result()
        except HashProcessLost:
            raise Overloaded(retry_after=1) from None
        finally:
            with self._lock:
                self.completed += 1

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Reserve an entry of the queue for the next hash of this thread, then wait for permission to start.

        A second hash of the same operation waits only behind other threads.

        Raises:
            Overloaded: the queue is too long, or the wait was.
        """
        with self._queue_entry():
            if not self._operation_slots.acquire(timeout=self.max_wait):
                raise _rejection()
            self._slot.is_reserved, self._slot.own_entries = True, 1
            try:
                yield
            finally:
                self._slot.is_reserved, self._slot.own_entries = False, 0
                self._operation_slots.release()

    @contextmanager
    def _queue_entry(self) -> Iterator[None]:
        ahead, started_at = self._enqueue(), time.perf_counter()
        try:
            yield
        finally:
            # A moving average of the time per entry: on a busy machine, fewer operations may wait.
            seconds_per_entry = (time.perf_counter() - started_at) / (ahead + 1)
            with self._lock:
                self.pending -= 1
                self._seconds_per_entry += (seconds_per_entry - self._seconds_per_entry) / 8

    def _enqueue(self) -> int:
        """Add an entry to the queue and return the number of entries before it."""
        with self._lock:
            ahead = self.pending - self._slot.own_entries
            if ahead * self._seconds_per_entry > MAX_QUEUE_SECONDS or ahead >= self.max_queued:
                raise _rejection()
            self.pending += 1
            return ahead


def _rejection() -> Overloaded:
    """Count a request that is rejected because of the queue, and return its error."""
    core_metrics.increment("hash_queue_rejections")
    return Overloaded(retry_after=1)


def _lower_priority() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def reserves_hash_slot(operation: Callable[P, T]) -> Callable[P, T]:
    """Decorate an operation that hashes a password: it waits in the queue before it starts.

    The read transaction is ended before the wait. An operation that would wait too long is rejected before it reads or
    counts anything. In a burst of sign-ins, a rejected request therefore costs almost nothing.

    Raises:
        Overloaded: the queue is too long.
    """

    @wraps(operation)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        db_session.release_connection()
        with get_pool().reserve():
            return operation(*args, **kwargs)

    return wrapper


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Return the hash of a password, with a random salt by default. Ends the read transaction."""
    db_session.release_connection()
    return get_pool().run(hashes.hash_password, password, salt.hex() if salt else None)


def verify(password: str, stored: str | None) -> bool:
    """Return True if the password matches the stored hash. Ends the read transaction.

    It costs the same if there is no hash or the hash is unreadable, so that timing does not reveal accounts.
    """
    db_session.release_connection()
    return get_pool().run(hashes.verify, password, stored or hashes.DECOY_HASH) and bool(stored)


def rehash_if_needed(password: str, stored: str) -> str | None:
    """Return a new hash if the stored one does not have the current parameters, else None.

    The salt is derived from the old hash, so two concurrent sign-ins compute the same new hash. It is not skipped when
    the queue is long: a sign-in without it would then fail against the hash that the other one has stored.
    """
    if not hashes.needs_rehash(stored):
        return None
    db_session.release_connection()
    salt = crypto.mac("renewed hash", stored)[:16]
    return get_pool().run_unqueued(hashes.hash_password, password, salt.hex())


def hash_recovery_codes(codes: Sequence[str], salt: bytes) -> list[bytes]:
    """Return the hash of each recovery code. Ends the read transaction.

    Raises:
        Overloaded
    """
    db_session.release_connection()
    digests = get_pool().run(hashes.hash_recovery_codes, " ".join(codes), salt.hex())
    return [bytes.fromhex(digest) for digest in digests.split()]


def get_pool() -> HashingPool:
    """Return the pool of the current application."""
    pool = current_app.extensions[KEY]
    assert isinstance(pool, HashingPool)
    return pool
