"""What README and the page on performance tell of the last run is what the run wrote."""

import json
import re
import statistics
from typing import Any

from tests.documentation.blocks import ROOT

RESULTS = ROOT / "benchmarks/results"
ROW = re.compile(r"^\| (?:\*\*)?(?P<who>[^|*]+?)(?:\*\*)? \| (?P<server>\w+) \|(?P<cells>.*)\|$", re.MULTILINE)
WHAT = ("profile", "refresh", "sign-in", "register")


def rates(told: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    """The median of each, as it is written."""
    return {
        (row["who"], row["server"], row["what"]): f"{statistics.median(one['rate'] for one in row['rounds']):,.0f}"
        for row in told["rows"]
        if row["connections"] == 16
    }


def test_readme_has_the_medians_of_the_last_run() -> None:
    found = rates(json.loads((RESULTS / "latest.json").read_text()))
    table = (ROOT / "README.md").read_text().partition("## How fast it is")[2].partition("## Read on")[0]
    rows = list(ROW.finditer(table))

    assert len(rows) > 5
    for row in rows:
        cells = [cell.strip() for cell in row["cells"].split("|")]
        assert cells == [found.get((row["who"], row["server"], what), "") for what in WHAT], row["who"]


def test_the_page_has_every_bar_as_the_last_run_measured_it() -> None:
    bars = re.search(r"\| what \| measured.*?\n\n", (RESULTS / "latest.md").read_text(), re.DOTALL)
    assert bars
    assert bars.group() in (ROOT / "docs/performance.md").read_text()
