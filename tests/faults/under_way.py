"""A scenario under way."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.faults.asking import Desk
from tests.faults.history import Bounds, Span
from tests.faults.site import Site

PAUSE = 3.0  # seconds in which all is well between two rounds


@dataclass
class Run:
    """One scenario under way: where, for how long, and what came of it so far."""

    site: Site
    desk: Desk
    seconds: float
    rounds: int = 0
    broke: int = 0
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.seconds

    def each(self) -> Iterator[int]:
        """Rounds, with quiet between them, until the time is over; one at least."""
        while self.rounds == 0 or time.monotonic() < self._end:
            time.sleep(PAUSE)
            yield self.rounds
            self.rounds += 1

    def healed(self) -> None:
        """The fault is over: how long until both servers are ready?"""
        recovered = (*self.bounds.recovered, self.site.seconds_until_ready())
        self.bounds = replace(self.bounds, recovered=recovered)

    def tell(self, what: str) -> None:
        """Something that was measured, and that no judge looks at."""
        print(f"    {what}", flush=True)

    @contextmanager
    def span(self, kind: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        spans: Sequence[Span] = getattr(self.bounds, kind)
        change: dict[str, Any] = {kind: (*spans, Span(began, time.monotonic()))}
        self.bounds = replace(self.bounds, **change)
