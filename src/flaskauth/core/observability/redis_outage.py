"""Report that Redis is unavailable, at most once a minute in each process."""

import threading
from datetime import datetime, timedelta

from flaskauth.core import clock
from flaskauth.core.observability.log import get_logger

INTERVAL = timedelta(minutes=1)

log = get_logger(__name__)


class _Reporter:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reported_at: datetime | None = None

    def report(self, error: BaseException) -> None:
        """Log `redis_unavailable` with the type of the error, unless this process did so within the last minute."""
        now = clock.now()
        with self._lock:
            if self._reported_at and timedelta() <= now - self._reported_at < INTERVAL:
                return
            self._reported_at = now
        log.warning("redis_unavailable", error=type(error).__name__)


report = _Reporter().report
