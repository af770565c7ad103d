"""Two things at once in one exact order: the first stands still at a statement while the second goes its way.

Nothing in the product knows of it: the statements are seen by SQLAlchemy's events, in the thread of the first alone.
"""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy.exc import OperationalError
from tests.inside import hearing

T = TypeVar("T")
U = TypeVar("U")

PATIENCE = 20.0  # seconds
NOTICEABLE = 0.3  # seconds in which whoever is not held up is done, or nearly
COMMIT = "COMMIT"
DEADLOCK = OperationalError(
    "", {}, Exception(1213, "Deadlock found when trying to get lock; try restarting transaction")
)


Point = str | tuple[str, str]
"""Where the first stands still: before a statement like this; with two, once a statement like the other was there."""


@dataclass
class _Standing:
    """Who stands still at a point."""

    like: str
    after: str
    loses: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    _thread: int = 0
    _is_armed: bool = False

    def does(self, work: Callable[[], T]) -> T:
        """Do it in this thread, which is the one that stands still."""
        self._thread, self._is_armed = threading.get_ident(), not self.after
        try:
            return work()
        finally:
            self.reached.set()

    def hears(self, statement: str) -> None:
        """A statement is about to be sent."""
        if threading.get_ident() != self._thread or self.reached.is_set():
            return
        if self._is_armed and re.search(self.like, statement):
            self.reached.set()
            self.left.wait(PATIENCE)
            if self.loses:
                raise DEADLOCK
        self._is_armed = self._is_armed or bool(re.search(self.after, statement))


def interleaved(
    app: Flask, point: Point, first: Callable[[], T], second: Callable[[], U], *, loses: bool = False
) -> tuple[T, U]:
    """What comes of both, the second all the way while the first stood still (and then lost a deadlock)."""
    with _standing(app, point, first, loses=loses) as (standing, let_go):
        done = second()
        let_go()
        return standing.result(PATIENCE), done


def crossed(app: Flask, point: Point, first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """What comes of both, the second begun while the first stood still, and let go as far as the first lets it."""
    with _standing(app, point, first) as (standing, let_go), ThreadPoolExecutor(1) as pool:
        begun = pool.submit(second)
        wait([begun], NOTICEABLE)
        let_go()
        return standing.result(PATIENCE), begun.result(PATIENCE)


@contextmanager
def _standing(
    app: Flask, point: Point, first: Callable[[], T], *, loses: bool = False
) -> Iterator[tuple["Future[T]", Callable[[], None]]]:
    like, after = (point, "") if isinstance(point, str) else point
    who = _Standing(like, after, loses)
    with listening(app, who.hears), ThreadPoolExecutor(1) as pool:
        running = pool.submit(who.does, first)
        assert who.reached.wait(PATIENCE)
        try:
            assert not running.done(), f"it never came to {point}: {running.result()}"
            yield running, who.left.set
        finally:
            who.left.set()


@contextmanager
def listening(app: Flask, hear: Callable[[str], object]) -> Iterator[None]:
    """Hear of every statement, and of every commit, before it is sent."""

    def statement(_connection: object, _cursor: object, said: str, *_more: Any) -> None:
        hear(said)

    def commit(_connection: object) -> None:
        hear(COMMIT)

    with hearing(app, before_cursor_execute=statement, commit=commit):
        yield
