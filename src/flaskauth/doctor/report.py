"""How findings are told: a table for people, JSON for scripts, a code for both."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flaskauth.doctor.findings import FAILED, OK, SKIPPED, WARNING, Finding, counted

COLOURS = {OK: "green", WARNING: "yellow", FAILED: "bold red", SKIPPED: "dim"}
ORDER = (FAILED, WARNING, OK, SKIPPED)
PIPE_WIDTH = 240  # columns; what reads a pipe wants whole lines


def console() -> Console:
    """For tables: as wide as the terminal, and wide enough where there is none."""
    out = Console()
    if not out.is_terminal:
        out.width = PIPE_WIDTH
    return out


@contextmanager
def progress() -> Iterator[None]:
    """A word to people who wait at a terminal."""
    terminal = Console(stderr=True)
    if not terminal.is_terminal:
        yield
        return
    with terminal.status("Looking at everything; at most 20 seconds ..."):
        yield


def is_ok(findings: Sequence[Finding], *, strict: bool) -> bool:
    """Whether nothing failed; in strict reading a warning is a failure."""
    return not {finding.state for finding in findings} & ({FAILED, WARNING} if strict else {FAILED})


def as_json(findings: Sequence[Finding], *, ok: bool) -> str:
    told = [
        {"check": finding.check, "state": finding.state, "found": finding.found, "advice": finding.advice}
        for finding in findings
    ]
    return json.dumps({"ok": ok, "findings": told}, indent=2)


def show(findings: Sequence[Finding]) -> None:
    table = Table(box=None, header_style="bold")
    for heading in ("Check", "State"):
        table.add_column(heading, no_wrap=True)
    for heading in ("Found", "What to do"):
        table.add_column(heading, overflow="fold")
    for finding in sorted(findings, key=lambda finding: ORDER.index(finding.state)):
        if finding.state == SKIPPED:
            continue
        state = Text(finding.state, style=COLOURS[finding.state])
        table.add_row(Text(finding.check), state, Text(finding.found), Text(finding.advice))
    out = console()
    out.print(table)
    if left := [finding.check for finding in findings if finding.state == SKIPPED]:
        out.print(f"\nNot looked at, until what failed is mended: {', '.join(left)}.", highlight=False)
    out.print(_summary(findings), highlight=False)


def _summary(findings: Sequence[Finding]) -> str:
    count = Counter(finding.state for finding in findings)
    warnings = counted(count[WARNING], "warning", "warnings")
    return f"\n{count[FAILED]} failed, {warnings}, {count[SKIPPED]} not looked at, {count[OK]} fine."
