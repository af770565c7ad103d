"""Notify the worker that a mail is waiting.

If the broker is unavailable, this process sends the mail itself. The periodic job delivers mails that both missed.
"""

import time
from dataclasses import dataclass

from flask import current_app

from flaskauth.core.context import settings
from flaskauth.core.jobs import background
from flaskauth.core.jobs.celery_app import get_celery
from flaskauth.core.observability import redis_outage
from flaskauth.mail.delivery import deliver

EXTENSION_KEY = "flaskauth.mail.broker"
TASK_NAME = "flaskauth.mail.deliver"
BROKER_RETRY_INTERVAL = 5.0  # seconds between attempts to reach an unavailable broker


@dataclass
class _BrokerState:
    unavailable_until: float = 0.0


def notify_worker(mail_id: int) -> None:
    """Have the mail delivered after the response, by the worker or by this process."""
    background.run_soon(_dispatch, mail_id)


def _dispatch(mail_id: int) -> None:
    if settings().redis_url is None or not _publish(mail_id):
        deliver(mail_id)


def _publish(mail_id: int) -> bool:
    """Return True if the broker has accepted the task."""
    broker = current_app.extensions.setdefault(EXTENSION_KEY, _BrokerState())
    if time.monotonic() < broker.unavailable_until:
        return False
    try:
        get_celery(current_app).send_task(TASK_NAME, [mail_id], retry=False, ignore_result=True)
    except Exception as error:  # noqa: BLE001 (whatever the broker's error is, this process sends the mail)
        broker.unavailable_until = time.monotonic() + BROKER_RETRY_INTERVAL
        redis_outage.report(error)
        return False
    return True
