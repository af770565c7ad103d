"""The application's one clock. Nothing else in the product asks for the time."""

from datetime import UTC, datetime, timedelta

_offset = timedelta()


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC) + _offset


def travel(by: timedelta) -> None:
    """Move this process's clock, for tests that wait without waiting."""
    global _offset  # noqa: PLW0603 (the one clock is the one thing that a process shares)
    _offset += by


def stamp(moment: datetime) -> str:
    """A moment as answers carry it (RFC 3339, UTC, whole seconds): 2026-01-10T16:43:48Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
