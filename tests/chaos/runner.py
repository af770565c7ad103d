"""The state of a running scenario."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.chaos.environment import Environment
from tests.chaos.history import Expectations, Span
from tests.chaos.http_client import RecordingClient

QUIET_PERIOD = 3.0  # seconds without faults between two rounds


@dataclass
class ScenarioRun:
    """A running scenario: its environment, duration and results so far."""

    environment: Environment
    client: RecordingClient
    seconds: float
    rounds: int = 0
    fault_count: int = 0
    expectations: Expectations = field(default_factory=Expectations)

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.seconds

    def iterations(self) -> Iterator[int]:
        """Yield round numbers, with a quiet period before each, until the time is over; at least once."""
        while self.rounds == 0 or time.monotonic() < self._end:
            time.sleep(QUIET_PERIOD)
            yield self.rounds
            self.rounds += 1

    def record_recovery(self) -> None:
        """Record the seconds until both servers are ready. Call this after the fault."""
        recovery_seconds = (*self.expectations.recovery_seconds, self.environment.seconds_until_ready())
        self.expectations = replace(self.expectations, recovery_seconds=recovery_seconds)

    def print_measurement(self, text: str) -> None:
        """Print a measurement that no checker verifies."""
        print(f"    {text}", flush=True)

    @contextmanager
    def record_span(self, kind: str) -> Iterator[None]:
        started_at = time.monotonic()
        yield
        spans: Sequence[Span] = getattr(self.expectations, kind)
        change: dict[str, Any] = {kind: (*spans, Span(started_at, time.monotonic()))}
        self.expectations = replace(self.expectations, **change)
