"""Work beside the requests: a thread of each process for what must not hold an answer up, and a schedule.

Without Redis the thread keeps the schedule too; with it Celery beat does. Who runs a scheduled job is decided by one
conditional UPDATE, so it does not matter how many processes keep the schedule.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import Flask, current_app
from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.foundation import clock
from flaskauth.foundation.columns import Base, Identity, Moment
from flaskauth.foundation.complaints import in_words
from flaskauth.foundation.db import at_once, changed, db, transaction
from flaskauth.foundation.prepared import add_if_absent

KEY = "flaskauth.jobs"
MOST_WAITING = 10_000
ANSWERED = 0.03  # seconds until an answer has left; work done sooner would slow it, and tell that there is some
PULSE = "schedule"  # the row that shows that somebody keeps the schedule, server or Celery
PULSE_EVERY = timedelta(seconds=30)

log = structlog.get_logger(__name__)


class ScheduledRun(Base):
    """When a job is due next; who moves `next_run_at` on runs it."""

    __tablename__ = "scheduled_runs"

    name: Mapped[str] = mapped_column(Identity(64), primary_key=True)
    next_run_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True)
class Job:
    """Something done again and again; `shared` jobs divide their work by leases and run in every process."""

    name: str
    every: timedelta
    work: Callable[[], object]
    shared: bool = False

    def run(self) -> None:
        """Do it, unless another process has it; either way it was this one's turn to look."""
        transaction(lambda: at_once(_claim, PULSE, PULSE_EVERY))
        if self.shared or transaction(lambda: at_once(_claim, self.name, self.every)):
            self.work()


@dataclass
class Background:
    """The thread of this process; started by the first that needs it, again after a fork."""

    app: Flask
    jobs: Sequence[Job] = ()
    _waiting: queue.Queue[tuple[float, Callable[..., object], tuple[Any, ...]]] = field(
        default_factory=lambda: queue.Queue(MOST_WAITING)
    )
    _failing: dict[str, str] = field(default_factory=dict)
    _pid: int = 0
    _stopping: bool = False
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._loop, name="background", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Finish what is being done and end."""
        self._stopping = True
        if self._thread and self._pid == os.getpid():
            self._hand_over(_nothing)
            self._thread.join(timeout=10)

    def soon(self, work: Callable[..., object], *args: Any) -> None:
        """Do it right after this answer; what does not fit is left to the sweep."""
        self._hand_over(work, *args)
        self.start()

    def _hand_over(self, work: Callable[..., object], *args: Any) -> None:
        try:
            self._waiting.put_nowait((time.monotonic() + ANSWERED, work, args))
        except queue.Full:
            log.warning("background_full", waiting=MOST_WAITING)

    def _loop(self) -> None:
        due = {job: time.monotonic() for job in self.jobs}
        while not self._stopping:
            for job in [job for job, moment in due.items() if moment <= time.monotonic()]:
                self._do(job.name, job.run, ())
                due[job] = time.monotonic() + min(job.every.total_seconds(), 60)
            work, args = self._next(min(due.values(), default=time.monotonic() + 1))
            self._do(work.__name__, work, args)

    def _next(self, until: float) -> tuple[Callable[..., object], tuple[Any, ...]]:
        try:
            begin, work, args = self._waiting.get(timeout=max(0.01, until - time.monotonic()))
        except queue.Empty:
            return _nothing, ()
        time.sleep(max(0.0, begin - time.monotonic()))
        return work, args

    def _do(self, name: str, work: Callable[..., object], args: tuple[Any, ...]) -> None:
        try:
            with self.app.app_context():
                work(*args)
            self._failing.pop(name, None)
        except Exception as error:  # noqa: BLE001 (whatever one job meets must not end the others)
            self._tell(name, error)

    def _tell(self, name: str, error: Exception) -> None:
        """Once, and not every two seconds, for as long as it fails in one way."""
        reason = in_words(error)
        if self._failing.get(name) != reason:
            self._failing[name] = reason
            log.error("job_failed", job=name, reason=reason, exc_info=error)


def init_app(app: Flask, jobs: Sequence[Job]) -> Background:
    background = Background(app, jobs)
    app.extensions[KEY] = background
    app.before_request(background.start)
    return background


def soon(work: Callable[..., object], *args: Any) -> None:
    """Do it right after this answer, in the thread beside."""
    found = current_app.extensions[KEY]
    assert isinstance(found, Background)
    found.soon(work, *args)


def _claim(name: str, every: timedelta) -> bool:
    now = clock.now()
    known = db.session.scalar(select(ScheduledRun.next_run_at).where(ScheduledRun.name == name))
    if known and known > now:
        return False
    add_if_absent(ScheduledRun(name=name, next_run_at=now))
    due = update(ScheduledRun).where(ScheduledRun.name == name, ScheduledRun.next_run_at <= now)
    return changed(due.values(next_run_at=now + every)) == 1


def _nothing() -> None:
    """Wakes the loop."""
