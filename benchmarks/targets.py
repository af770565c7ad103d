"""The targets of a benchmark, and its report: a table on the terminal and the figures in a JSON file."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Measurements = Mapping[str, float]
ROW = "{:<44} {:>12} {:>18}  {}"


@dataclass(frozen=True)
class Target:
    """A figure by its key, with a label and a lower or upper bound."""

    key: str
    label: str
    bound: float
    unit: str
    is_maximum: bool = False

    def is_met(self, figures: Measurements) -> bool:
        value = figures[self.key]
        return value <= self.bound if self.is_maximum else value >= self.bound

    def cells(self, figures: Measurements) -> list[str]:
        """Return the label, the measured value, the bound, and whether it is met."""
        bound = f"{'at most' if self.is_maximum else 'at least'} {self.bound:g} {self.unit}".rstrip()
        return [self.label, f"{figures[self.key]:,.2f}", bound, "met" if self.is_met(figures) else "MISSED"]


def print_report(figures: Measurements, targets: Sequence[Target]) -> bool:
    """Print the table and return True if every target is met."""
    print(ROW.format("", "result", "target", ""))
    for target in targets:
        print(ROW.format(*target.cells(figures)))
    return all(target.is_met(figures) for target in targets)


def make_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks share."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    return parser


def measure_and_report(
    measure: Callable[[], Measurements], targets: Sequence[Target], options: argparse.Namespace
) -> int:
    """Run the benchmark, print its report and return the exit code."""
    figures = measure()
    if options.json:
        options.json.write_text(json.dumps(dict(figures), indent=1) + "\n")
    return int(not print_report(figures, targets) and options.strict)
