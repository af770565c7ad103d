"""Whether a password is known from a breach, by what `BREACHED_PASSWORDS` names: a file, or a service."""

from datetime import datetime, timedelta
from pathlib import Path

from flask import current_app

from flaskauth import audit, bloom
from flaskauth.bloom import NoFilter
from flaskauth.breaches import ranges
from flaskauth.breaches.digests import digest
from flaskauth.breaches.ranges import Unanswered
from flaskauth.foundation import clock, limits
from flaskauth.foundation.current import settings
from flaskauth.foundation.db import at_once, release

KEY = "flaskauth.breaches"
PAUSE = timedelta(seconds=10)
TELLS = "1/minute"  # an outage, not each password in it


class Service:
    """What this process remembers of the service: after a failure it is not asked for a while."""

    def __init__(self) -> None:
        self._failed_at: datetime | None = None

    def holds(self, root: str, name: bytes) -> bool:
        """Whether its list has it; in the pause nobody knows, and it has not.

        Raises:
            Unanswered
        """
        if self._pauses():
            return False
        try:
            return ranges.holds(root, name)
        except Unanswered:
            self._failed_at = clock.now()
            raise

    def _pauses(self) -> bool:
        return self._failed_at is not None and timedelta() <= clock.now() - self._failed_at < PAUSE


def is_known(password: str) -> bool:
    """Whether it is on the list (ASVS 6.2.12). What cannot be looked up is let pass: nobody is kept out by an outage.

    No transaction is open and no connection is held meanwhile.
    """
    where = settings().breached_passwords
    if where is None:
        return False
    release()
    name = digest(password)
    try:
        return bloom.holds(where, name) if isinstance(where, Path) else _service().holds(where, name)
    except (OSError, NoFilter, Unanswered) as error:
        _tell(_why(error))
        return False


def _why(error: Exception) -> str:
    """In words that hold neither a path nor what was asked."""
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__


def _tell(reason: str) -> None:
    if limits.within(TELLS, KEY):
        at_once(_record, reason)


def _record(reason: str) -> None:
    audit.record("breach_check_failed", reason=reason)


def _service() -> Service:
    found = current_app.extensions.setdefault(KEY, Service())
    assert isinstance(found, Service)
    return found
