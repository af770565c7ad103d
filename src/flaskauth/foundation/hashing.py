"""Password hashes, in a pool no wider than the processors, with a short queue and a refusal behind it."""

import os
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import current_app
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from flaskauth.foundation import crypto, db, foreign_hashes, measures
from flaskauth.foundation.errors import Overloaded

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_QUEUE = 0.5  # seconds of work; whoever comes when a storm begins waits twice as long as was reckoned
AT_WORK = 3  # stories for each thread that hashes: one is hashed while others read and write; the rest cost nothing
NICENESS = 5  # of threads that hash, where a thread has one of its own: whoever asks for no hash goes before them
FIRST_GUESS = 0.05  # seconds a hash takes, until measured
KEY = "flaskauth.hashing"

# OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane. ASVS 11.4.2.
_ARGON2 = Argon2Hasher(memory_cost=19456, time_cost=2, parallelism=1, hash_len=32, salt_len=16)
_HASHES = PasswordHash((_ARGON2,))
# Stands in where nobody is known, so that the work is the same.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ibw$ytaH46meWY8lmL7GvISeF34nSYdizucq0l76z3Y8lWA"


class Held(threading.local):
    """The place that a thread's story has: whether its hash is still to come, and how many of the queue are its own."""

    is_ahead = False
    places = 0


class Pool:
    """Threads that hash; argon2 lets go of the interpreter, so other requests go on meanwhile."""

    def __init__(self, processes: int, most_waiting: int) -> None:
        self.width = max(1, (os.cpu_count() or 1) // processes)
        self.most_waiting = most_waiting
        self.performed = 0
        self._seconds = FIRST_GUESS / self.width  # until the next place is free again
        self.unfinished = 0
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(AT_WORK * self.width)
        self._held = Held()
        self._threads = ThreadPoolExecutor(self.width, thread_name_prefix="hashing", initializer=_give_way)

    def run(self, work: Callable[[], T]) -> T:
        """Do it when its turn comes.

        Raises:
            Overloaded: the turn would come too late.
        """
        if self._held.is_ahead:
            self._held.is_ahead = False
            return self._threads.submit(self._counted, work).result()
        with self._place():
            return self._threads.submit(self._counted, work).result()

    def once_more(self, work: Callable[[], T]) -> T:
        """Do it for a story that has had its turn: it is not sent away half way."""
        return self._threads.submit(self._counted, work).result()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Have this thread's next hash in the queue already; one after that queues behind others, not behind itself.

        Raises:
            Overloaded: its turn would come too late.
        """
        with self._place(), self._turns:
            self._held.is_ahead, self._held.places = True, 1
            try:
                yield
            finally:
                self._held.is_ahead, self._held.places = False, 0

    @contextmanager
    def _place(self) -> Iterator[None]:
        ahead, begun = self._queue(), time.perf_counter()
        try:
            yield
        finally:
            # Whoever waited behind so many tells how fast they went: a busy machine has a shorter queue.
            each = (time.perf_counter() - begun) / (ahead + 1)
            with self._lock:
                self.unfinished -= 1
                self._seconds += (each - self._seconds) / 8

    def _queue(self) -> int:
        """Take a place; how many were taken before."""
        with self._lock:
            ahead = self.unfinished - self._held.places
            if ahead * self._seconds > LONGEST_QUEUE or ahead >= self.most_waiting:
                measures.count("hash_refusals")
                raise Overloaded(retry_after=1)
            self.unfinished += 1
            return ahead

    def _counted(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            with self._lock:
                self.performed += 1


def _give_way() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def queued(story: Callable[P, T]) -> Callable[P, T]:
    """Have what needs a hash wait for it from the start.

    Whoever would wait too long is sent away before anything is read or counted: a storm of sign-ins then costs those
    that are turned away next to nothing, and leaves database and processor to everybody else.

    Raises:
        Overloaded
    """

    @wraps(story)
    def in_turn(*args: P.args, **kwargs: P.kwargs) -> T:
        db.release()
        with pool().place():
            return story(*args, **kwargs)

    return in_turn


def hash_password(password: str, salt: bytes | None = None) -> str:
    """The hash to store, with a salt of its own unless one is given."""
    db.release()
    return pool().run(lambda: _HASHES.hash(normal(password), salt=salt))


def verify(password: str, stored: str | None) -> bool:
    """Whether the password is the stored one; costs the same where nothing is stored, or nothing we can read."""
    db.release()
    return pool().run(lambda: _verify(password, stored or _NOBODY)) and bool(stored)


def renewed(password: str, stored: str) -> str | None:
    """The hash to store instead, where this one is of another kind than today's.

    Its salt follows from the old hash: of two sign-ins at once both make the same. Neither may leave it out, however
    long the queue: it would be refused for the hash that the other has stored meanwhile.
    """
    if _ARGON2.identify(stored) and not _ARGON2.check_needs_rehash(stored):
        return None
    db.release()
    salt = crypto.mac("renewed hash", stored)[:16]
    return pool().once_more(lambda: _HASHES.hash(normal(password), salt=salt))


def normal(password: str) -> str:
    """NFKC, so that one keyboard's letters equal another's (NIST SP 800-63B-4 section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def pool() -> Pool:
    """The running application's pool."""
    found = current_app.extensions[KEY]
    assert isinstance(found, Pool)
    return found


def _verify(password: str, stored: str) -> bool:
    """Argon2, ours or not, after NFKC and then as typed; other applications' as typed, as they hashed it.

    A wrong password for a hash of another kind takes another time than for others, until its owner first signs in.
    """
    try:
        if not _ARGON2.identify(stored):
            return foreign_hashes.matches(password, stored)
        return any(foreign_hashes.matches(form, stored) for form in dict.fromkeys((normal(password), password)))
    except ValueError:
        _HASHES.verify(normal(password), _NOBODY)
        return False
