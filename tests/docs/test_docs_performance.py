"""The figures in the README and the performance page match the results of the last benchmark run."""

import json
import re
import statistics
from typing import Any

from tests.docs.code_blocks import ROOT

RESULTS = ROOT / "benchmarks/results"
ROW = re.compile(r"^\| (?:\*\*)?(?P<system>[^|*]+?)(?:\*\*)? \| (?P<server>\w+) \|(?P<cells>.*)\|$", re.MULTILINE)
OPERATIONS = ("profile", "refresh", "sign-in", "register")


def median_rates(results: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    """Return the median rate of each target, server and operation, formatted as on the pages."""
    return {
        (row["system"], row["server"], row["operation"]): f"{statistics.median(r['rate'] for r in row['rounds']):,.0f}"
        for row in results["rows"]
        if row["connections"] == 16
    }


def test_readme_medians_match_last_benchmark_run() -> None:
    medians = median_rates(json.loads((RESULTS / "latest.json").read_text()))
    table = (ROOT / "README.md").read_text().partition("## Performance")[2].partition("## Documentation")[0]
    rows = list(ROW.finditer(table))

    assert len(rows) > 5
    for row in rows:
        cells = [cell.strip() for cell in row["cells"].split("|")]
        assert cells == [medians.get((row["system"], row["server"], operation), "") for operation in OPERATIONS], row[
            "system"
        ]


def test_performance_page_targets_match_last_benchmark_run() -> None:
    targets = re.search(r"\| measurement \| result.*?\n\n", (RESULTS / "latest.md").read_text(), re.DOTALL)
    assert targets
    assert targets.group() in (ROOT / "docs/operations/performance.md").read_text()
