"""The Celery configuration of every process: messages are JSON and carry only ids; delivery is at least once."""

from typing import TYPE_CHECKING

from flask import Flask

from flaskauth.core.context import KEY as SETTINGS
from flaskauth.settings import Settings

if TYPE_CHECKING:
    from celery import Celery

KEY = "flaskauth.celery"
TASK_TIME_LIMIT = 120  # seconds; the lease of a mail is 60
WORKER_CONCURRENCY = 4  # processes of a worker; with two, each waited half of the time for disk, Redis and mail server
VISIBILITY_TIMEOUT = 300  # seconds until a message of a lost worker is delivered again


def get_celery(app: Flask) -> "Celery":
    """Return the Celery application. It is imported and created on first use."""
    if KEY not in app.extensions:
        from celery import Celery  # noqa: PLC0415

        app.extensions[KEY] = Celery("flaskauth", set_as_current=False)
        app.extensions[KEY].conf.update(_celery_config(app.extensions[SETTINGS]))
    celery_app: Celery = app.extensions[KEY]
    return celery_app


def _celery_config(settings: Settings) -> dict[str, object]:
    assert settings.redis_url, "Celery needs REDIS_URL"
    return {
        "broker_url": settings.redis_url.get_secret_value(),
        "broker_transport": "flaskauth.core.jobs.redis_transport:Transport",
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # retry without limit
        "broker_channel_error_retry": True,  # also if Redis is out of memory or read-only
        "broker_connection_timeout": 2,
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT,
            "socket_connect_timeout": 2,
            "socket_timeout": 10,
        },
        "task_default_queue": "flaskauth",
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_time_limit": TASK_TIME_LIMIT,
        "task_publish_retry": False,  # this process then delivers the mail itself
        "worker_concurrency": WORKER_CONCURRENCY,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_enable_remote_control": False,
        "beat_schedule_filename": str(settings.flaskauth_instance_path / "celerybeat-schedule"),
        "timezone": "UTC",
    }
