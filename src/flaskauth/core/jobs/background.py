"""A background thread in each process, for work that must not delay a response and for periodic jobs.

Without Redis the thread runs the periodic jobs; with Redis, Celery beat does. One conditional UPDATE decides which
process runs a job, so any number of processes may try.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, TypeVarTuple

from flask import Flask, current_app
from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.core import clock
from flaskauth.core.db.compiled import insert_row
from flaskauth.core.db.error_messages import describe
from flaskauth.core.db.session import commit_now, db, execute_count, transaction
from flaskauth.core.db.types import Base, ExactString, UTCDateTime
from flaskauth.core.observability.log import get_logger

KEY = "flaskauth.jobs"
MAX_QUEUED = 10_000
START_DELAY = 0.03  # seconds; earlier work would slow the response, and the timing would reveal that there is work
HEARTBEAT = "schedule"  # the row that shows that a server or Celery beat runs the periodic jobs
HEARTBEAT_INTERVAL = timedelta(seconds=30)

Ts = TypeVarTuple("Ts")

log = get_logger(__name__)


class ScheduledRun(Base):
    """The time when a job is due. The process that advances `next_run_at` runs the job."""

    __tablename__ = "scheduled_runs"

    name: Mapped[str] = mapped_column(ExactString(64), primary_key=True)
    next_run_at: Mapped[datetime] = mapped_column(UTCDateTime)


@dataclass(frozen=True)
class PeriodicJob:
    """A job that runs at an interval. An `is_shared` job runs in every process, which divide its work by leases."""

    name: str
    interval: timedelta
    work: Callable[[], object]
    is_shared: bool = False

    def run(self) -> None:
        """Run the job unless another process has claimed it. Update the heartbeat in both cases."""
        transaction(lambda: commit_now(_claim, HEARTBEAT, HEARTBEAT_INTERVAL))
        if self.is_shared or transaction(lambda: commit_now(_claim, self.name, self.interval)):
            self.work()


class _Task(NamedTuple):
    start_at: float
    """By `time.monotonic`."""
    name: str
    run: partial[object]


@dataclass
class BackgroundWorker:
    """The background thread of this process. It is started on first use, and again after a fork."""

    app: Flask
    jobs: Sequence[PeriodicJob] = ()
    _queue: queue.Queue[_Task] = field(default_factory=lambda: queue.Queue(MAX_QUEUED))
    _last_failures: dict[str, str] = field(default_factory=dict)
    _pid: int = 0
    _is_stopping: bool = False
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._loop, name="background", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Finish the current work and stop the thread. Wait up to 10 seconds."""
        self._is_stopping = True
        if self._thread and self._pid == os.getpid():
            self._put(_wake_up)
            self._thread.join(timeout=10)

    def enqueue(self, work: Callable[[*Ts], object], *args: *Ts) -> None:
        """Run the work after the current response. If the queue is full, it is left to the periodic job."""
        self._put(work, *args)
        self.start()

    def _put(self, work: Callable[[*Ts], object], *args: *Ts) -> None:
        try:
            self._queue.put_nowait(_Task(time.monotonic() + START_DELAY, work.__name__, partial(work, *args)))
        except queue.Full:
            log.warning("background_queue_full", waiting=MAX_QUEUED)

    def _loop(self) -> None:
        due = {job: time.monotonic() for job in self.jobs}
        while not self._is_stopping:
            for job in [job for job, due_at in due.items() if due_at <= time.monotonic()]:
                self._run(job.name, job.run)
                due[job] = time.monotonic() + min(job.interval.total_seconds(), 60)
            task = self._next_task(min(due.values(), default=time.monotonic() + 1))
            if task:
                self._run(task.name, task.run)

    def _next_task(self, due_at: float) -> _Task | None:
        try:
            task = self._queue.get(timeout=max(0.01, due_at - time.monotonic()))
        except queue.Empty:
            return None
        time.sleep(max(0.0, task.start_at - time.monotonic()))
        return task

    def _run(self, name: str, work: Callable[[], object]) -> None:
        try:
            with self.app.app_context():
                work()
            self._last_failures.pop(name, None)
        except Exception as error:  # noqa: BLE001 (a failed job must not stop the others)
            self._log_failure(name, error)

    def _log_failure(self, name: str, error: Exception) -> None:
        """Log a failure once, as long as the reason stays the same: a job may fail every two seconds."""
        reason = describe(error)
        if self._last_failures.get(name) != reason:
            self._last_failures[name] = reason
            log.error("job_failed", job=name, reason=reason, exc_info=error)


def init_app(app: Flask, jobs: Sequence[PeriodicJob]) -> BackgroundWorker:
    """Register the worker. Its thread starts with the first request."""
    worker = BackgroundWorker(app, jobs)
    app.extensions[KEY] = worker
    app.before_request(worker.start)
    return worker


def run_soon(work: Callable[[*Ts], object], *args: *Ts) -> None:
    """Run the work in the background thread of the current application, after the response.

    A command has no such thread: it leaves the work to the periodic job of a server or worker.
    """
    worker: BackgroundWorker | None = current_app.extensions.get(KEY)
    if worker:
        worker.enqueue(work, *args)


def _claim(name: str, interval: timedelta) -> bool:
    now = clock.now()
    next_run_at = db.session.scalar(select(ScheduledRun.next_run_at).where(ScheduledRun.name == name))
    if next_run_at and next_run_at > now:
        return False
    insert_row(ScheduledRun(name=name, next_run_at=now), unless_exists=True)
    due = update(ScheduledRun).where(ScheduledRun.name == name, ScheduledRun.next_run_at <= now)
    return execute_count(due.values(next_run_at=now + interval)) == 1


def _wake_up() -> None:
    """Do nothing. It is queued to wake the loop."""
