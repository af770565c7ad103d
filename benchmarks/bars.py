"""What a measurement has to reach, and how it is told: a table on the screen, and the figures in a file."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Figures = Mapping[str, float]
ROW = "{:<44} {:>12} {:>18}  {}"


@dataclass(frozen=True)
class Bar:
    """One figure by its name, as people read it, and its bound: at least so much, or at most."""

    key: str
    told: str
    bound: float
    unit: str
    is_ceiling: bool = False

    def is_kept(self, figures: Figures) -> bool:
        value = figures[self.key]
        return value <= self.bound if self.is_ceiling else value >= self.bound

    def cells(self, figures: Figures) -> list[str]:
        """What, how much, what is to be reached, and whether it is."""
        bound = f"{'at most' if self.is_ceiling else 'at least'} {self.bound:g} {self.unit}".rstrip()
        return [self.told, f"{figures[self.key]:,.2f}", bound, "kept" if self.is_kept(figures) else "MISSED"]


def tell(figures: Figures, bars: Sequence[Bar]) -> bool:
    """Print the table; whether every bar is kept."""
    print(ROW.format("", "measured", "bar", ""))
    for bar in bars:
        print(ROW.format(*bar.cells(figures)))
    return all(bar.is_kept(figures) for bar in bars)


def parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """What every measurement can be told."""
    found = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    found.add_argument("--strict", action="store_true", help="end with 1 where the bar is missed")
    found.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return found


def conclude(measure: Callable[[], Figures], bars: Sequence[Bar], told: argparse.Namespace) -> int:
    """Measure and tell; the code to end with."""
    figures = measure()
    if told.json:
        told.json.write_text(json.dumps(dict(figures), indent=1) + "\n")
    return int(not tell(figures, bars) and told.strict)
