"""The clock of the application. No other module reads the current time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_offset = timedelta()


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC) + _offset


def travel(by: timedelta) -> None:
    """Move the clock of this process forward, so that tests need not wait."""
    global _offset  # noqa: PLW0603 (the offset is shared by the process)
    _offset += by


@contextmanager
def restore_afterwards() -> Iterator[None]:
    """Undo at the end what `travel` does inside."""
    global _offset  # noqa: PLW0603
    offset = _offset
    try:
        yield
    finally:
        _offset = offset


def to_rfc3339(value: datetime) -> str:
    """Format a time for a response (RFC 3339, UTC, whole seconds), for example 2026-01-10T16:43:48Z."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
