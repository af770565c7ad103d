"""What is done beside the requests: soon, or again and again, once among all processes."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from flask import Flask
from tests.conftest import MakeApp
from tests.inside import together

from flaskauth.app import schedule
from flaskauth.foundation import clock, jobs
from flaskauth.foundation.jobs import Background, Job

MINUTE = timedelta(minutes=1)


def run(app: Flask, job: Job) -> None:
    with app.app_context():
        job.run()


def until(happened: Callable[[], bool]) -> None:
    for _ in range(500):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def test_a_scheduled_job_runs_once_among_all_processes(app: Flask, make_app: MakeApp) -> None:
    done: list[int] = []
    job = Job("count", MINUTE, lambda: done.append(1))
    processes = [app, make_app(), make_app()]

    for times in (1, 2, 3):
        together([partial(run, each, job) for each in processes * 2])
        assert len(done) == times
        clock.travel(MINUTE)


def test_it_does_not_run_before_it_is_due(app: Flask) -> None:
    done: list[int] = []
    job = Job("count", MINUTE, lambda: done.append(1))
    run(app, job)
    clock.travel(MINUTE - timedelta(seconds=5))
    run(app, job)

    assert len(done) == 1


def test_a_job_that_divides_its_work_runs_everywhere(app: Flask, make_app: MakeApp) -> None:
    done: list[int] = []
    job = Job("count", MINUTE, lambda: done.append(1), shared=True)
    together([partial(run, each, job) for each in (app, make_app())])

    assert len(done) == 2


def test_the_thread_keeps_the_schedule(app: Flask) -> None:
    done: list[str] = []
    each = [Job(name, MINUTE, partial(done.append, name)) for name in ("one", "two")]
    background = Background(app, each)
    background.start()
    until(lambda: len(done) == 2)
    background.stop()

    assert done == ["one", "two"]


def test_a_job_that_fails_keeps_nothing_else_from_running(app: Flask) -> None:
    done: list[str] = []
    background = Background(app, [Job("bad", MINUTE, lambda: 1 / 0), Job("good", MINUTE, lambda: done.append("good"))])
    background.soon(lambda: 1 / 0)
    background.soon(done.append, "soon")
    until(lambda: len(done) == 2)
    background.stop()

    assert done == ["good", "soon"]


def test_stopping_finishes_what_is_being_done(app: Flask) -> None:
    begun, done = threading.Event(), threading.Event()
    background = Background(app)

    def work() -> None:
        begun.set()
        time.sleep(0.1)
        done.set()

    background.soon(work)
    begun.wait(5)
    background.stop()
    assert done.is_set()
    assert background._thread
    assert not background._thread.is_alive()


def test_more_than_it_can_remember_is_left_to_the_sweep(app: Flask) -> None:
    background, done = Background(app), threading.Event()
    for _ in range(jobs.MOST_WAITING + 5):
        background._hand_over(done.set)

    assert background._waiting.qsize() == jobs.MOST_WAITING


def test_mail_keys_and_what_is_over_are_seen_to() -> None:
    assert {job.name: job.every for job in schedule()} == {
        "mail.sweep": timedelta(seconds=2),
        "keys.maintain": timedelta(minutes=10),
        "audit.seal": timedelta(minutes=1),
        "purge": timedelta(hours=1),
        "avatars.purge": timedelta(days=1),
    }


def test_with_redis_the_schedule_is_left_to_celery(make_app: MakeApp) -> None:
    background = make_app(REDIS_URL="redis://127.0.0.1:1/0").extensions[jobs.KEY]

    assert list(background.jobs) == []
    assert len(make_app().extensions[jobs.KEY].jobs) == len(schedule())
