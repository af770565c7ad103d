"""Celery, as every process of ours is configured for it: ids only, JSON only, at least once."""

from typing import TYPE_CHECKING, Any

from flask import Flask

from flaskauth.foundation.current import KEY as SETTINGS
from flaskauth.settings import Settings

if TYPE_CHECKING:
    from celery import Celery

KEY = "flaskauth.queue"
TASK_LIMIT = 120  # seconds; a mail has 60
SENDERS = 4  # processes of a worker: of two, each waited half of the time for disk, Redis and mail server
RETURNED_AFTER = 300  # seconds until what a lost worker held is handed out again


def queue(app: Flask) -> "Celery":
    """The application's Celery, imported and made at first use."""
    if KEY not in app.extensions:
        app.extensions[KEY] = _make(app.extensions[SETTINGS])
    found: Celery = app.extensions[KEY]
    return found


def _make(settings: Settings) -> "Celery":
    from celery import Celery  # noqa: PLC0415

    celery = Celery("flaskauth", set_as_current=False)
    celery.conf.update(_options(settings))
    return celery


def _options(settings: Settings) -> dict[str, Any]:
    assert settings.redis_url, "Celery needs REDIS_URL"
    return {
        "broker_url": settings.redis_url.get_secret_value(),
        "broker_transport": "flaskauth.foundation.broker:Transport",
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # for ever
        "broker_channel_error_retry": True,  # of a Redis without memory, too, or that only reads
        "broker_connection_timeout": 2,
        "broker_transport_options": {
            "visibility_timeout": RETURNED_AFTER,
            "unacked_restore_limit": 1,
            "socket_connect_timeout": 2,
            "socket_timeout": 10,
        },
        "task_default_queue": "flaskauth",
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_time_limit": TASK_LIMIT,
        "task_publish_retry": False,
        "worker_concurrency": SENDERS,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_enable_remote_control": False,
        "beat_schedule_filename": str(settings.flaskauth_instance_path / "celerybeat-schedule"),
        "timezone": "UTC",
    }
