"""Notify the worker that mails are waiting.

If the broker is unavailable, this process sends the mails itself. The periodic job delivers mails that both missed.
"""

import time
from dataclasses import dataclass

from flask import current_app

from flaskauth.core.context import settings
from flaskauth.core.jobs import background
from flaskauth.core.jobs.celery_app import get_celery
from flaskauth.core.observability import redis_outage
from flaskauth.mail.delivery import deliver_due

EXTENSION_KEY = "flaskauth.mail.dispatch"
TASK_NAME = "flaskauth.mail.deliver"
BROKER_RETRY_INTERVAL = 5.0  # seconds between attempts to reach an unavailable broker


@dataclass
class _DispatchState:
    """Times by `time.monotonic`."""

    next_dispatch_at: float = 0.0
    broker_retry_at: float = 0.0


def notify_worker() -> None:
    """Have the committed mails delivered after the response, by the worker or by this process.

    All mails until the notification is sent share it: it says that mails are due, and not which.
    """
    state, now = _get_state(), time.monotonic()
    if now >= state.next_dispatch_at:
        # The work starts START_DELAY after it is queued, so it finds every mail that is committed until then.
        state.next_dispatch_at = now + background.START_DELAY
        background.run_soon(_dispatch)


def _dispatch() -> None:
    if settings().redis_url is None or not _publish():
        deliver_due()


def _publish() -> bool:
    """Return True if the broker has accepted the task."""
    state = _get_state()
    if time.monotonic() < state.broker_retry_at:
        return False
    try:
        get_celery(current_app).send_task(TASK_NAME, retry=False, ignore_result=True)
    except Exception as error:  # noqa: BLE001 (whatever the broker's error is, this process sends the mail)
        state.broker_retry_at = time.monotonic() + BROKER_RETRY_INTERVAL
        redis_outage.report(error)
        return False
    return True


def _get_state() -> _DispatchState:
    state: _DispatchState = current_app.extensions.setdefault(EXTENSION_KEY, _DispatchState())
    return state
