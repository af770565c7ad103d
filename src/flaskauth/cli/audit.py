"""`flaskauth audit`: verify the audit log."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import asdict

import click

from flaskauth.audit import report as report_codes
from flaskauth.audit import verification
from flaskauth.audit.report import Anchor, IntegrityFailure, Report
from flaskauth.cli import output

MESSAGES = {
    report_codes.EVENT_ALTERED: "Event {event} was altered.",
    report_codes.EVENT_FORGED: "Event {event} was not written by this server.",
    report_codes.EVENT_MISSING: "An event of seal {seal} was deleted.",
    report_codes.SEAL_ALTERED: "Seal {seal} was altered, or its secret is not configured.",
    report_codes.SEAL_MISSING: "Seal {seal} was deleted.",
    report_codes.SEAL_UNLINKED: (
        "Events before seal {seal} cannot be verified: they were sealed with a secret that was no longer configured."
    ),
    report_codes.TAIL_MISSING: "Seal {seal} differs from the one that you recorded, or was deleted.",
}


class AnchorType(click.ParamType[Anchor]):
    """A seal in the form that `audit verify` prints and the log contains: 17:9f2c..."""

    name = "seal"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Anchor:
        if not re.fullmatch(r"\d{1,10}:[0-9a-f]{64}", value):
            self.fail("Not a seal in the form that `flaskauth audit verify` prints.", param, ctx)
        ordinal, _, digest = value.partition(":")
        return Anchor(int(ordinal), digest)


@click.group()
def audit() -> None:
    """Verify the audit log."""


@audit.command()
@click.option("--anchor", type=AnchorType(), metavar="SEAL", help="A seal recorded earlier, which must still exist.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
@click.pass_context
def verify(ctx: click.Context, anchor: Anchor | None, as_json: bool) -> None:
    """Detect altered, deleted and added events.

    Checks all events and seals, and stops at the first inconsistency with exit status 1. Erased personal fields, and
    events that were deleted after AUDIT_RETENTION_DAYS, are not errors. Late seals are reported as warnings.
    """
    with output.load_app(logging.WARNING).app_context(), output.progress_bar() as bar:
        seals = bar.add_task("Seals", total=verification.count_seals())
        report = verification.verify(anchor, lambda count: bar.advance(seals, count))
    click.echo(_to_json(report) if as_json else _format_report(report))
    ctx.exit(1 if report.failure else 0)


def _format_report(report: Report) -> str:
    newest = f" Newest seal: {report.newest.ordinal}:{report.newest.digest}" if report.newest else ""
    summary = (
        f"Checked {report.seals} seals and {report.events} events: {report.erased} erased, {report.late} late,"
        f" {report.unsealed} not yet sealed.{newest}"
    )
    first_line = _failure_message(report.failure) if report.failure else "The audit log is intact."
    lines = [first_line, summary]
    return "\n".join([*lines, *_warnings(report)])


def _warnings(report: Report) -> Iterator[str]:
    """Yield a warning about late seals. A stopped server causes them, and so does an attacker who deletes seals."""
    if last := report.last_delayed:
        yield (
            f"Seals written more than an hour late: {report.delayed}. The last one is seal {last.seal} at"
            f" {last.sealed_at:%Y-%m-%d %H:%M} UTC."
            " If a server was running before then, seals may have been deleted."
        )
    if report.overdue:
        yield (
            f"Events waiting for a seal for more than an hour: {report.overdue}. If a server is running,"
            " seals may have been deleted."
        )


def _failure_message(failure: IntegrityFailure) -> str:
    if failure.event is None and "{event}" in MESSAGES[failure.code]:
        return f"An event of seal {failure.seal} {MESSAGES[failure.code].partition('{event} ')[2]}"
    return MESSAGES[failure.code].format(seal=failure.seal, event=failure.event)


def _to_json(report: Report) -> str:
    failure = report.failure
    failure_data = {"what": failure.code, "seal": failure.seal, "event": failure.event} if failure else None
    counts = {name: count for name, count in vars(report).items() if isinstance(count, int)}
    newest = asdict(report.newest) if report.newest else None
    last = report.last_delayed
    delayed = {"seal": last.seal, "sealed_at": last.sealed_at.isoformat()} if last else None
    return json.dumps({"ok": not failure, **counts, "last_delayed": delayed, "newest": newest, "broken": failure_data})
