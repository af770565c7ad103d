"""What a walk along the chain may find."""

from dataclasses import dataclass

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


@dataclass
class Report:
    """What was walked, and where it broke, if it did."""

    seals: int = 0
    events: int = 0
    erased: int = 0
    late: int = 0
    waiting: int = 0
    newest: Anchor | None = None
    broken: Broken | None = None
