"""Run two calls in an exact order: the first pauses at an SQL statement while the second runs.

The product is unchanged: SQLAlchemy events report the statements of the first call's thread.
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
from tests.support.inspect import engine_listeners

T = TypeVar("T")
U = TypeVar("U")

TIMEOUT = 20.0  # seconds
BLOCKED_AFTER = 0.3  # seconds; a call that is not blocked has finished by then
COMMIT = "COMMIT"
DEADLOCK = OperationalError(
    "", {}, Exception(1213, "Deadlock found when trying to get lock; try restarting transaction")
)


PausePoint = str | tuple[str, str]
"""The statement before which the first call pauses, as a pattern; of a pair, only after a match of the second."""


@dataclass
class _PausedCall:
    """A call that pauses before a statement."""

    pattern: str
    armed_by: str
    raises_deadlock: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    resumed: threading.Event = field(default_factory=threading.Event)
    _thread: int = 0
    _is_armed: bool = False

    def run(self, function: Callable[[], T]) -> T:
        """Run the function in this thread and pause it at the statement."""
        self._thread, self._is_armed = threading.get_ident(), not self.armed_by
        try:
            return function()
        finally:
            self.reached.set()

    def on_statement(self, statement: str) -> None:
        """Pause if this statement is the pause point."""
        if threading.get_ident() != self._thread or self.reached.is_set():
            return
        if self._is_armed and re.search(self.pattern, statement):
            self.reached.set()
            self.resumed.wait(TIMEOUT)
            if self.raises_deadlock:
                raise DEADLOCK
        self._is_armed = self._is_armed or bool(re.search(self.armed_by, statement))


def run_interleaved(
    app: Flask, point: PausePoint, first: Callable[[], T], second: Callable[[], U], *, loses: bool = False
) -> tuple[T, U]:
    """Run `second` completely while `first` is paused, and return both results. With `loses`, `first` then gets a
    deadlock.
    """
    with _paused_first(app, point, first, loses=loses) as (future, resume):
        second_result = second()
        resume()
        return future.result(TIMEOUT), second_result


def run_overlapping(app: Flask, point: PausePoint, first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """Start `second` while `first` is paused; `second` may block until `first` resumes. Return both results."""
    with _paused_first(app, point, first) as (future, resume), ThreadPoolExecutor(1) as pool:
        second_future = pool.submit(second)
        wait([second_future], BLOCKED_AFTER)
        resume()
        return future.result(TIMEOUT), second_future.result(TIMEOUT)


@contextmanager
def _paused_first(
    app: Flask, point: PausePoint, first: Callable[[], T], *, loses: bool = False
) -> Iterator[tuple["Future[T]", Callable[[], None]]]:
    pattern, armed_by = (point, "") if isinstance(point, str) else point
    paused = _PausedCall(pattern, armed_by, loses)
    with statement_listener(app, paused.on_statement), ThreadPoolExecutor(1) as pool:
        future = pool.submit(paused.run, first)
        assert paused.reached.wait(TIMEOUT)
        try:
            assert not future.done(), f"the call never reached {point}: {future.result()}"
            yield future, paused.resumed.set
        finally:
            paused.resumed.set()


@contextmanager
def statement_listener(app: Flask, listener: Callable[[str], object]) -> Iterator[None]:
    """Call the listener before every statement and every commit."""

    def statement(_connection: object, _cursor: object, sql: str, *_more: Any) -> None:
        listener(sql)

    def commit(_connection: object) -> None:
        listener(COMMIT)

    with engine_listeners(app, before_cursor_execute=statement, commit=commit):
        yield
