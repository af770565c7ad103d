"""Check passwords against the source that `BREACHED_PASSWORDS` configures: a filter file or a range API."""

from datetime import datetime, timedelta
from pathlib import Path

from flask import current_app

from flaskauth import audit, bloom_filter
from flaskauth.bloom_filter import InvalidFilterFile
from flaskauth.breached_passwords import range_api
from flaskauth.breached_passwords.range_api import RangeApiError
from flaskauth.breached_passwords.sha1 import password_sha1
from flaskauth.core import clock
from flaskauth.core.context import settings
from flaskauth.core.db.session import commit_now, release_connection
from flaskauth.core.http import request_limits

EXTENSION_KEY = "flaskauth.breached_passwords"
RETRY_PAUSE = timedelta(seconds=10)
FAILURE_RECORD_RATE = "1/minute"  # one event per minute of an outage, not one per password


class RangeApiClient:
    """A circuit breaker for this process: after a failure, the API is not called for RETRY_PAUSE."""

    def __init__(self) -> None:
        self._failed_at: datetime | None = None

    def contains(self, root: str, digest: bytes) -> bool:
        """Return True if the API's list contains the digest. Return False without a call during the pause.

        Raises:
            RangeApiError
        """
        if self._failed_at is not None and timedelta() <= clock.now() - self._failed_at < RETRY_PAUSE:
            return False
        try:
            return range_api.contains(root, digest)
        except RangeApiError:
            self._failed_at = clock.now()
            raise


def is_breached(password: str) -> bool:
    """Return True if the password is on the list (ASVS 6.2.12). Return False if the source is unavailable.

    An outage must not prevent users from setting a password; it is recorded as an audit event. The database connection
    is released first, so that no transaction is open during the lookup.
    """
    source = settings().breached_passwords
    if source is None:
        return False
    release_connection()
    sha1 = password_sha1(password)
    try:
        return (
            bloom_filter.contains(source, sha1)
            if isinstance(source, Path)
            else _range_api_client().contains(source, sha1)
        )
    except (OSError, InvalidFilterFile, RangeApiError) as error:
        if request_limits.hit(FAILURE_RECORD_RATE, EXTENSION_KEY):
            commit_now(_record_failure, error)
        return False


def _record_failure(error: Exception) -> None:
    # `strerror` does not contain the path, unlike the text of an OSError.
    reason = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
    audit.record("breach_check_failed", reason=reason)


def _range_api_client() -> RangeApiClient:
    client = current_app.extensions.setdefault(EXTENSION_KEY, RangeApiClient())
    assert isinstance(client, RangeApiClient)
    return client
