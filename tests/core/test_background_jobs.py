"""Background work: queued functions, and periodic jobs that run once across all processes."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from flask import Flask
from tests.conftest import MakeApp, is_purge
from tests.support.inspect import run_concurrently

from flaskauth.app import periodic_jobs
from flaskauth.core import clock
from flaskauth.core.jobs import background
from flaskauth.core.jobs.background import BackgroundWorker, PeriodicJob

MINUTE = timedelta(minutes=1)


def run(app: Flask, job: PeriodicJob) -> None:
    with app.app_context():
        job.run()


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("the condition is not met after 5 seconds")


def test_scheduled_job_runs_once_across_all_processes(app: Flask, make_app: MakeApp) -> None:
    runs: list[int] = []
    job = PeriodicJob("count", MINUTE, lambda: runs.append(1))
    processes = [app, make_app(), make_app()]

    for expected_runs in (1, 2, 3):
        run_concurrently([partial(run, process, job) for process in processes * 2])
        assert len(runs) == expected_runs
        clock.travel(MINUTE)


def test_scheduled_job_does_not_run_before_it_is_due(app: Flask) -> None:
    runs: list[int] = []
    job = PeriodicJob("count", MINUTE, lambda: runs.append(1))
    run(app, job)
    clock.travel(MINUTE - timedelta(seconds=5))
    run(app, job)

    assert len(runs) == 1


def test_shared_job_runs_in_every_process(app: Flask, make_app: MakeApp) -> None:
    runs: list[int] = []
    job = PeriodicJob("count", MINUTE, lambda: runs.append(1), is_shared=True)
    run_concurrently([partial(run, process, job) for process in (app, make_app())])

    assert len(runs) == 2


def test_background_thread_runs_scheduled_jobs(app: Flask) -> None:
    done: list[str] = []
    jobs = [PeriodicJob(name, MINUTE, partial(done.append, name)) for name in ("one", "two")]
    worker = BackgroundWorker(app, jobs)
    worker.start()
    wait_until(lambda: len(done) == 2)
    worker.stop()

    assert done == ["one", "two"]


def test_failing_job_does_not_stop_other_jobs(app: Flask) -> None:
    done: list[str] = []
    worker = BackgroundWorker(
        app, [PeriodicJob("failing", MINUTE, lambda: 1 / 0), PeriodicJob("next", MINUTE, lambda: done.append("next"))]
    )
    worker.enqueue(lambda: 1 / 0)
    worker.enqueue(done.append, "enqueued")
    wait_until(lambda: len(done) == 2)
    worker.stop()

    assert done == ["next", "enqueued"]


def test_background_stop_waits_for_the_running_job(app: Flask) -> None:
    started, finished = threading.Event(), threading.Event()
    worker = BackgroundWorker(app)

    def work() -> None:
        started.set()
        time.sleep(0.1)
        finished.set()

    worker.enqueue(work)
    started.wait(5)
    worker.stop()
    assert finished.is_set()
    assert worker._thread
    assert not worker._thread.is_alive()


def test_background_queue_drops_jobs_beyond_its_limit(app: Flask) -> None:
    worker, event = BackgroundWorker(app), threading.Event()
    for _ in range(background.MAX_QUEUED + 5):
        worker._put(event.set)

    assert worker._queue.qsize() == background.MAX_QUEUED


def test_schedule_lists_all_periodic_jobs() -> None:
    assert {job.name: job.interval for job in periodic_jobs()} == {
        "mail.sweep": timedelta(seconds=2),
        "keys.maintain": timedelta(minutes=10),
        "audit.seal": timedelta(minutes=1),
        "mfa.reencrypt": timedelta(hours=1),
        "factor_resets.perform": timedelta(minutes=10),
        "factor_resets.remind": timedelta(days=1),
        "purge": timedelta(hours=1),
        "avatars.purge": timedelta(days=1),
    }


def test_with_redis_celery_runs_the_schedule(make_app: MakeApp) -> None:
    worker = make_app(REDIS_URL="redis://127.0.0.1:1/0").extensions[background.KEY]

    assert list(worker.jobs) == []
    jobs = [job for job in periodic_jobs() if not is_purge(job)]
    assert list(make_app().extensions[background.KEY].jobs) == jobs
