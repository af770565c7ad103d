"""Output of the findings: a table, JSON, and the exit status."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flaskauth.doctor.findings import FAILED, OK, SKIPPED, WARNING, Finding, pluralize

STYLES = {OK: "green", WARNING: "yellow", FAILED: "bold red", SKIPPED: "dim"}
ORDER = (FAILED, WARNING, OK, SKIPPED)
PIPE_WIDTH = 100  # columns; without a terminal, as in a log or a mail


def console() -> Console:
    """Return a console with the width of the terminal, or PIPE_WIDTH without a terminal."""
    out = Console()
    if not out.is_terminal:
        out.width = PIPE_WIDTH
    return out


@contextmanager
def progress() -> Iterator[None]:
    """Show a status line on standard error if that is a terminal."""
    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        yield
        return
    with terminal.status("Checking the installation; at most 20 seconds ..."):
        yield


def is_ok(findings: Sequence[Finding], *, strict: bool) -> bool:
    """Return True if no check failed. With `strict`, a warning counts as a failure."""
    return not {finding.state for finding in findings} & ({FAILED, WARNING} if strict else {FAILED})


def to_json(findings: Sequence[Finding], *, ok: bool) -> str:
    rows = [
        {"check": finding.check, "state": finding.state, "found": finding.detail, "advice": finding.advice}
        for finding in findings
    ]
    return json.dumps({"ok": ok, "findings": rows}, indent=2)


def print_report(findings: Sequence[Finding]) -> None:
    table = Table(box=None, header_style="bold")
    for heading in ("Check", "State"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Finding", overflow="fold")
    for finding in sorted(findings, key=lambda finding: ORDER.index(finding.state)):
        if finding.state == SKIPPED:
            continue
        state = Text(finding.state, style=STYLES[finding.state])
        table.add_row(Text(finding.check), state, Text("\nFix: ".join(filter(None, (finding.detail, finding.advice)))))
    out = console()
    out.print(table)
    if skipped := [finding.check for finding in findings if finding.state == SKIPPED]:
        out.print(f"\nSkipped until the failed checks are fixed: {', '.join(skipped)}.", highlight=False)
    out.print(_summary(findings), highlight=False)


def _summary(findings: Sequence[Finding]) -> str:
    count = Counter(finding.state for finding in findings)
    warnings = pluralize(count[WARNING], "warning", "warnings")
    return f"\n{count[FAILED]} failed, {warnings}, {count[SKIPPED]} skipped, {count[OK]} ok."
