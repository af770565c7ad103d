"""Names for new things: numbers in the order of time, and strings that nobody can guess."""

from datetime import UTC, datetime

from flaskauth.foundation import clock, crypto

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
RANDOM_BITS = 12
LARGEST = 2**53 - 1  # JavaScript's numbers end there


def new_id() -> int:
    """A positive number below 2^53: milliseconds since 2025, then random bits; a duplicate is tried again."""
    milliseconds = int((clock.now() - EPOCH).total_seconds() * 1000)
    return milliseconds << RANDOM_BITS | crypto.random_number(1 << RANDOM_BITS)


def new_secret_id() -> bytes:
    """16 random bytes (128 bits) for what must not be guessed."""
    return crypto.random_bytes(16)
