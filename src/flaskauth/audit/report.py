"""The result of verifying the chain."""

from dataclasses import dataclass
from datetime import datetime

EVENT_ALTERED = "event_altered"
EVENT_FORGED = "event_forged"
EVENT_MISSING = "event_missing"
SEAL_ALTERED = "seal_altered"
SEAL_MISSING = "seal_missing"
SEAL_UNLINKED = "seal_unlinked"
TAIL_MISSING = "tail_missing"


class IntegrityFailure(Exception):
    """The chain is broken here. `seal` and `event` identify the location, if it is known."""

    def __init__(self, code: str, *, seal: int | None = None, event: int | None = None) -> None:
        super().__init__(code)
        self.code, self.seal, self.event = code, seal, event


@dataclass(frozen=True)
class Anchor:
    """A seal that was recorded outside the database."""

    ordinal: int
    digest: str


@dataclass(frozen=True)
class DelayedSeal:
    """A seal made long after one of its events. This is not an error, but the cause should be investigated."""

    seal: int
    sealed_at: datetime


@dataclass
class Report:
    """Counts of what was verified, and the first failure, if any."""

    seals: int = 0
    events: int = 0
    erased: int = 0
    late: int = 0
    unsealed: int = 0
    overdue: int = 0
    delayed: int = 0
    last_delayed: DelayedSeal | None = None
    newest: Anchor | None = None
    failure: IntegrityFailure | None = None
