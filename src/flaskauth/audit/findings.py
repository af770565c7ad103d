"""What a walk along the chain may find."""

from dataclasses import dataclass
from datetime import datetime

ALTERED = "event_altered"
FOREIGN = "event_foreign"
MISSING = "event_missing"
SEAL_ALTERED = "seal_altered"
SEAL_MISSING = "seal_missing"
SEAL_ALONE = "seal_alone"
TAIL_MISSING = "tail_missing"


class Broken(Exception):
    """Here it breaks; which seal and which event it is, where that can be told."""

    def __init__(self, what: str, *, seal: int | None = None, event: int | None = None) -> None:
        super().__init__(what)
        self.what, self.seal, self.event = what, seal, event


@dataclass(frozen=True)
class Anchor:
    """A seal as somebody noted it outside of the database."""

    ordinal: int
    digest: str


@dataclass(frozen=True)
class Delay:
    """A seal that came long after something that it took in: no fault, but worth a look at why."""

    seal: int
    sealed_at: datetime


@dataclass
class Report:
    """What was walked, and where it broke, if it did."""

    seals: int = 0
    events: int = 0
    erased: int = 0
    late: int = 0
    waiting: int = 0
    overdue: int = 0
    delayed: int = 0
    last_delayed: Delay | None = None
    newest: Anchor | None = None
    broken: Broken | None = None
