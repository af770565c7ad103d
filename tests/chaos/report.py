"""Results of the scenarios as text, Markdown and JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from tests.chaos.checkers.registry import CHECKERS
from tests.chaos.history import Call, Expectations
from tests.chaos.scenarios import Scenario

HEADER = ("", "fault", "injected", "ok", "rejected", "unknown", "recovery, max", "slowest request", "result")


@dataclass(frozen=True)
class ScenarioResult:
    number: str
    description: str
    rounds: int
    seconds: float
    ok: int
    rejected: int
    unknown: int
    max_recovery: float
    slowest: float
    is_checked: bool
    failures: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        rounds: int,
        seconds: float,
        calls: Sequence[Call],
        expectations: Expectations,
        failures: Mapping[str, Sequence[str]],
    ) -> Self:
        outcomes = Counter(call.outcome for call in calls)
        return cls(
            scenario.number,
            scenario.description,
            rounds,
            seconds,
            **{name: outcomes[name] for name in ("ok", "rejected", "unknown")},
            max_recovery=max(expectations.recovery_seconds, default=0.0),
            slowest=max((call.ended_at - call.started_at for call in calls), default=0.0),
            is_checked=scenario.is_checked,
            failures=failures,
        )

    @property
    def has_passed(self) -> bool:
        return not self.failures

    @property
    def verdict(self) -> str:
        if not self.is_checked:
            return "measured"
        return "passed" if self.has_passed else f"FAILED: {', '.join(self.failures)}"

    def cells(self) -> list[str]:
        counts = (self.rounds, self.ok, self.rejected, self.unknown)
        times = (self.max_recovery, self.slowest)
        return [
            self.number,
            self.description,
            *map(str, counts),
            *(f"{seconds:.1f} s" for seconds in times),
            self.verdict,
        ]


def as_text(results: Sequence[ScenarioResult]) -> str:
    """Return a table, and the number of checkers."""
    rows = [HEADER, *(result.cells() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, f"{len(CHECKERS)} checkers verified each scenario."])


def as_markdown(results: Sequence[ScenarioResult]) -> str:
    return "\n".join(_markdown_lines(results)) + "\n"


def as_json(results: Sequence[ScenarioResult]) -> str:
    return json.dumps([{**asdict(result), "verdict": result.verdict} for result in results], indent=2) + "\n"


def _markdown_lines(results: Sequence[ScenarioResult]) -> Iterator[str]:
    yield f"| {' | '.join(HEADER)} |"
    yield f"|{'---|' * len(HEADER)}"
    for result in results:
        yield f"| {' | '.join(result.cells())} |"
