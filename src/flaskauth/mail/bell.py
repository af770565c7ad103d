"""The doorbell: says that a mail is waiting.

While the broker is away this process sends it itself; what both miss, the sweep finds.
"""

import time
from dataclasses import dataclass

import structlog
from flask import current_app

from flaskauth.foundation import jobs
from flaskauth.foundation.current import settings
from flaskauth.foundation.queue import queue
from flaskauth.mail.delivery import deliver

KEY = "flaskauth.mail.broker"
TASK = "flaskauth.mail.deliver"
LOOK_AGAIN = 5.0  # seconds between tries of a broker that is away

log = structlog.get_logger(__name__)


@dataclass
class _Broker:
    away_until: float = 0.0


def ring(mail_id: int) -> None:
    """Have a mail delivered right after this answer."""
    jobs.soon(_answer, mail_id)


def _answer(mail_id: int) -> None:
    if settings().redis_url is None or not _publish(mail_id):
        deliver(mail_id)


def _publish(mail_id: int) -> bool:
    """Whether the broker has it."""
    broker = current_app.extensions.setdefault(KEY, _Broker())
    if time.monotonic() < broker.away_until:
        return False
    try:
        queue(current_app).send_task(TASK, [mail_id], retry=False, ignore_result=True)
    except Exception as error:  # noqa: BLE001 (refused, full, read-only, hanging: whatever it is, the sweep sends the mail)
        broker.away_until = time.monotonic() + LOOK_AGAIN
        log.warning("broker_away", error=type(error).__name__)
        return False
    return True
