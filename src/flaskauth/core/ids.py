"""Ids of new rows: integers ordered by time, and random bytes that cannot be guessed."""

from datetime import UTC, datetime, timedelta

from flaskauth.core import clock, crypto

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
RANDOM_BITS = 12
MAX_SAFE_INTEGER = 2**53 - 1  # the largest integer that JavaScript represents exactly


def new_id() -> int:
    """Return a positive integer below 2^53: the milliseconds since 2025, then 12 random bits.

    A duplicate fails at the INSERT, and the transaction is retried.
    """
    milliseconds = int((clock.now() - EPOCH).total_seconds() * 1000)
    return milliseconds << RANDOM_BITS | crypto.random_number(1 << RANDOM_BITS)


def time_of(row_id: int) -> datetime:
    """Return when `new_id` made this id, to the millisecond."""
    return EPOCH + timedelta(milliseconds=row_id >> RANDOM_BITS)


def new_secret_id() -> bytes:
    """Return 16 random bytes (128 bits)."""
    return crypto.random_bytes(16)
