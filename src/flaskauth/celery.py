"""Celery's entry: `celery -A flaskauth.celery worker --loglevel=INFO --beat`."""

import sys

import click
from celery import Celery
from celery.signals import setup_logging, worker_process_init

from flaskauth.app import create_app, schedule
from flaskauth.foundation import log
from flaskauth.foundation.db import db
from flaskauth.foundation.jobs import Job
from flaskauth.foundation.queue import queue
from flaskauth.foundation.server import Server
from flaskauth.mail.bell import TASK
from flaskauth.mail.delivery import deliver
from flaskauth.settings import Settings

PREFIX = "flaskauth."


def _settings() -> Settings:
    settings = Settings.load()
    if settings.redis_url is None:
        raise click.ClickException(
            "Set REDIS_URL, such as redis://localhost:6379/0."
            " Without it no worker is needed: the server's own threads do its work."
        )
    settings.flaskauth_instance_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings


def _start() -> Server:
    """The application, or the end in words: Celery would show where in its frames an exception passed."""
    try:
        return create_app(_settings())
    except click.ClickException as refusal:
        sys.exit(f"Error: {refusal.format_message()}")


def _register(celery: Celery, job: Job) -> None:
    name, seconds = f"{PREFIX}{job.name}", job.every.total_seconds()

    def run() -> None:
        with flask_app.app_context():
            job.run()

    celery.task(run, name=name)
    celery.conf.beat_schedule[name] = {"task": name, "schedule": seconds, "options": {"expires": max(seconds, 10)}}


def _deliver(mail_id: int) -> None:
    """Send one mail of the outbox; anything but a number is nobody's mail."""
    with flask_app.app_context():
        if type(mail_id) is int:
            deliver(mail_id)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _start_afresh(**_kwargs: object) -> None:
    """A forked process must not share its parent's connections."""
    with flask_app.app_context():
        db.engine.dispose(close=False)


@setup_logging.connect  # type: ignore[untyped-decorator]
def _log(**_kwargs: object) -> None:
    log.configure()


flask_app = _start()
app = queue(flask_app)
app.conf.beat_schedule = {}
app.task(_deliver, name=TASK)
for _job in schedule():
    _register(app, _job)
