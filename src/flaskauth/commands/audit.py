"""`flaskauth audit`: whether the trail of events is as it was written."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import asdict

import click

from flaskauth.audit import findings, verification
from flaskauth.audit.findings import Anchor, Broken, Report
from flaskauth.commands import terminal

SEEN = {
    findings.ALTERED: "Event {event} is not what was written.",
    findings.FOREIGN: "Event {event} was not written by this server.",
    findings.MISSING: "An event that seal {seal} took in is gone.",
    findings.SEAL_ALTERED: "Seal {seal} is not what was written, or its secret is not configured.",
    findings.SEAL_MISSING: "Seal {seal} is gone.",
    findings.SEAL_ALONE: "What is before seal {seal} was closed with a secret that was not configured any more.",
    findings.TAIL_MISSING: "Seal {seal} is not the one that you noted, or is gone.",
}


class AnchorType(click.ParamType[Anchor]):
    """A seal as `audit verify` or the log named it: 17:9f2c..."""

    name = "seal"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Anchor:
        if not re.fullmatch(r"\d{1,10}:[0-9a-f]{64}", value):
            self.fail("This is not a seal as `flaskauth audit verify` names it.", param, ctx)
        ordinal, _, digest = value.partition(":")
        return Anchor(int(ordinal), digest)


@click.group()
def audit() -> None:
    """The trail of events."""


@audit.command()
@click.option("--anchor", type=AnchorType(), metavar="SEAL", help="A seal noted before, which must still be there.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def verify(ctx: click.Context, anchor: Anchor | None, as_json: bool) -> None:
    """Look for events that were altered, deleted or added.

    Walks every event and every seal, and tells the first that is not as it was written. Personal fields that were
    erased, and events past AUDIT_RETENTION_DAYS, are no fault. Ends with 1 where something is. Tells also, as no fault,
    what was sealed late.
    """
    with terminal.app(logging.WARNING).app_context(), terminal.progress() as bar:
        seals = bar.add_task("Seals", total=verification.length())
        report = verification.verify(anchor, lambda more: bar.advance(seals, more))
    click.echo(_as_json(report) if as_json else _in_words(report))
    ctx.exit(1 if report.broken else 0)


def _in_words(report: Report) -> str:
    newest = f" The newest seal is {report.newest.ordinal}:{report.newest.digest}" if report.newest else ""
    told = (
        f"{report.seals} seals over {report.events} events were looked at; {report.erased} of them are"
        f" erased, {report.late} came late, {report.waiting} wait for a seal.{newest}"
    )
    lines = [_sentence(report.broken), told] if report.broken else [f"The trail is whole. {told}"]
    return "\n".join([*lines, *_warnings(report)])


def _warnings(report: Report) -> Iterator[str]:
    """What a server does that stood still, and somebody who deleted seals does too."""
    if last := report.last_delayed:
        yield (
            f"{report.delayed} of the seals came more than an hour late, the last is seal {last.seal} of"
            f" {last.sealed_at:%Y-%m-%d %H:%M} UTC."
            " If no server stood still before then, somebody may have deleted seals."
        )
    if report.overdue:
        yield (
            f"{report.overdue} events have waited for a seal for more than an hour. If a server runs,"
            " somebody may have deleted seals."
        )


def _sentence(broken: Broken) -> str:
    if broken.event is None and "{event}" in SEEN[broken.what]:
        return f"An event of seal {broken.seal} {SEEN[broken.what].partition('{event} ')[2]}"
    return SEEN[broken.what].format(seal=broken.seal, event=broken.event)


def _as_json(report: Report) -> str:
    broken = report.broken
    found = {"what": broken.what, "seal": broken.seal, "event": broken.event} if broken else None
    counted = {name: count for name, count in vars(report).items() if isinstance(count, int)}
    newest = asdict(report.newest) if report.newest else None
    last = report.last_delayed
    delayed = {"seal": last.seal, "sealed_at": last.sealed_at.isoformat()} if last else None
    return json.dumps({"ok": not broken, **counted, "last_delayed": delayed, "newest": newest, "broken": found})
