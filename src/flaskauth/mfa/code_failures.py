"""Consecutive wrong codes of the authenticator apps of a user, at sign-ins and reauthentications together.

A code has 6 digits, so it can be guessed. After 50 wrong codes, those of unrecognised clients are not compared, and
after 100, no code is (NIST SP 800-63B-4 section 3.2.2). A right factor of any kind clears both counters. A password
reset clears the first one only, because a reader of the mailbox can repeat it (ADR 28).
"""

from datetime import timedelta

from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit

NO_WINDOW = timedelta(days=3650)
UNRECOGNISED_LIMIT = RateLimit(50, NO_WINDOW)
LIMIT = RateLimit(100, NO_WINDOW)


def key(user_id: str | int) -> bytes:
    """Return the key of the counter for all clients."""
    return rate_limits.counter_key("wrong codes of apps", user_id)


def unrecognised_key(user_id: str | int) -> bytes:
    """Return the key of the counter that a password reset clears."""
    return rate_limits.counter_key("wrong codes of apps since a reset", user_id)


def reset(user_id: int) -> None:
    """Compare the codes of a user again: the user has proven a factor, or has none any more."""
    rate_limits.reset(key(user_id), unrecognised_key(user_id))
