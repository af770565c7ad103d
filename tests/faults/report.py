"""What came of the scenarios, for people and for files."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Self

from tests.faults.history import Bounds, Call
from tests.faults.judges import JUDGES
from tests.faults.scenarios import Scenario

HEAD = ("", "what breaks", "times", "ok", "refused", "unknown", "ready again, at most", "slowest call", "verdict")


@dataclass(frozen=True)
class Result:
    number: str
    what: str
    rounds: int
    seconds: float
    ok: int
    refused: int
    unknown: int
    recovered: float
    slowest: float
    is_judged: bool
    found: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        rounds: int,
        seconds: float,
        calls: Sequence[Call],
        bounds: Bounds,
        found: Mapping[str, Sequence[str]],
    ) -> Self:
        outcomes = Counter(call.outcome for call in calls)
        return cls(
            scenario.number,
            scenario.what,
            rounds,
            seconds,
            **{name: outcomes[name] for name in ("ok", "refused", "unknown")},
            recovered=max(bounds.recovered, default=0.0),
            slowest=max((call.ended - call.began for call in calls), default=0.0),
            is_judged=scenario.is_judged,
            found=found,
        )

    @property
    def is_green(self) -> bool:
        return not self.found

    @property
    def verdict(self) -> str:
        if not self.is_judged:
            return "measured"
        return "kept" if self.is_green else f"BROKEN: {', '.join(self.found)}"

    def cells(self) -> list[str]:
        counts = (self.rounds, self.ok, self.refused, self.unknown)
        times = (self.recovered, self.slowest)
        return [self.number, self.what, *map(str, counts), *(f"{seconds:.1f} s" for seconds in times), self.verdict]


def as_text(results: Sequence[Result]) -> str:
    """A table, and how many looked at each."""
    rows = [HEAD, *(result.cells() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, f"Each was looked at by {len(JUDGES)} judges."])


def as_markdown(results: Sequence[Result]) -> str:
    return "\n".join(_lines(results)) + "\n"


def as_json(results: Sequence[Result]) -> str:
    return json.dumps([{**asdict(result), "verdict": result.verdict} for result in results], indent=2) + "\n"


def _lines(results: Sequence[Result]) -> Iterator[str]:
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * len(HEAD)}"
    for result in results:
        yield f"| {' | '.join(result.cells())} |"
