"""The Celery application. Run it with `celery -A flaskauth.celery worker --loglevel=INFO --beat`."""

import sys

import click
from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_ready

from flaskauth.app import create_app, periodic_jobs
from flaskauth.core.db.session import db
from flaskauth.core.http.app import AuthFlask
from flaskauth.core.jobs import celery_log
from flaskauth.core.jobs.background import PeriodicJob
from flaskauth.core.jobs.celery_app import get_celery
from flaskauth.core.observability.log import get_logger
from flaskauth.mail.delivery import deliver_due
from flaskauth.mail.dispatch import TASK_NAME
from flaskauth.settings import Settings, require_database
from flaskauth.version import __version__

TASK_PREFIX = "flaskauth."

log = get_logger(__name__)


def _load_settings() -> Settings:
    settings = Settings.read()
    if settings.redis_url is None:
        raise click.ClickException(
            "Set REDIS_URL, such as redis://localhost:6379/0."
            " Without Redis no worker is needed: the server runs the background jobs itself."
        )
    require_database(settings)
    settings.flaskauth_instance_path.mkdir(mode=0o700, parents=True, exist_ok=True)  # for the schedule of beat
    return settings.with_stored_secret()


def _create_app() -> AuthFlask:
    """Create the application. Exit with the error message alone: Celery would print a traceback."""
    try:
        return create_app(_load_settings())
    except click.ClickException as error:
        sys.exit(f"Error: {error.format_message()}")


def _register_job(celery: Celery, job: PeriodicJob) -> None:
    name, seconds = f"{TASK_PREFIX}{job.name}", job.interval.total_seconds()

    def run() -> None:
        with flask_app.app_context():
            job.run()

    celery.task(run, name=name)
    celery.conf.beat_schedule[name] = {"task": name, "schedule": seconds, "options": {"expires": max(seconds, 10)}}


def _deliver_mails(*_arguments: object) -> None:
    """Send the mails that are due. Arguments are ignored: servers of an earlier version send the id of a mail."""
    with flask_app.app_context():
        deliver_due()


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _drop_inherited_connections(**_kwargs: object) -> None:
    """Discard the pooled connections after a fork: processes must not share a connection."""
    with flask_app.app_context():
        db.engine.dispose(close=False)


@setup_logging.connect  # type: ignore[untyped-decorator]
def _keep_logging(**_kwargs: object) -> None:
    """Keep Celery from configuring logging: its records of each task are below the level WARNING of the root logger."""
    celery_log.init()


@worker_ready.connect  # type: ignore[untyped-decorator]
def _log_start(**_kwargs: object) -> None:
    log.info("worker_started", version=__version__, processes=app.conf.worker_concurrency)


flask_app = _create_app()
app = get_celery(flask_app)
app.conf.beat_schedule = {}
app.task(_deliver_mails, name=TASK_NAME)
for _job in periodic_jobs():
    _register_job(app, _job)
