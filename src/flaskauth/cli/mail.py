"""`flaskauth mail`: inspect the mail outbox and retry failed mails."""

import logging
from collections.abc import Sequence
from datetime import datetime

import click

from flaskauth.cli import output
from flaskauth.core.clock import to_rfc3339
from flaskauth.core.db.session import transaction
from flaskauth.mail import service
from flaskauth.mail.models import STATES
from flaskauth.mail.service import MailSummary

mail_id = click.argument("mail_id", metavar="MAIL", type=click.IntRange(1, 2**63 - 1))


@click.group()
def mail() -> None:
    """Inspect and retry outgoing mail."""


@mail.command("list")
@click.option("--state", type=click.Choice(STATES), help="List only mails in this state.")
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Maximum number of mails, newest first.",
)
def list_(state: str | None, limit: int) -> None:
    """List the newest mails, without their content."""
    with output.load_app().app_context():
        rows = [_format_row(item) for item in service.list_recent(limit, state)]
    output.print_table(("Mail", "Template and last error", "To", "State", "Created"), rows)


@mail.command()
@mail_id
def show(mail_id: int) -> None:
    """Show the status of one mail, without its content."""
    output.print_table(("Field", "Value"), _format_details(_get_or_fail(mail_id)))


@mail.command()
@click.argument("mail_ids", metavar="[MAIL]...", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@click.option("--failed", "all_failed", is_flag=True, help="Retry every failed mail that has not expired.")
def retry(mail_ids: Sequence[int], all_failed: bool) -> None:
    """Retry failed mails, and send queued ones immediately.

    A server or worker sends them within seconds. A mail whose code has expired is discarded.
    """
    if bool(mail_ids) == all_failed:
        raise click.UsageError("Specify either mail ids or --failed.")
    with output.load_app(logging.WARNING).app_context():
        retried = transaction(lambda: service.retry(mail_ids))
    click.echo(f"{len(retried)} mails will be retried.")
    if not_retried := [requested_id for requested_id in mail_ids if requested_id not in retried]:
        raise click.ClickException("\n".join(_reason_not_retried(id_) for id_ in not_retried))


def _reason_not_retried(mail_id: int) -> str:
    item = _get_or_fail(mail_id)
    reason = (
        f"it expired at {to_rfc3339(item.expires_at)}" if service.is_retryable(item) else f"its state is {item.state}"
    )
    return f"Mail {mail_id} will not be retried: {reason}."


def _get_or_fail(mail_id: int) -> MailSummary:
    with output.load_app(logging.WARNING).app_context():
        item = service.get(mail_id)
    if item is None:
        raise click.ClickException(f"Mail {mail_id} does not exist.")
    return item


def _format_row(item: MailSummary) -> tuple[str, ...]:
    template = f"{item.template}\n{item.last_error or ''}".rstrip()
    return (str(item.id), template, item.recipient, item.state, to_rfc3339(item.created_at))


def _format_details(item: MailSummary) -> list[tuple[str, str]]:
    return [
        ("Mail", str(item.id)),
        ("Template", item.template),
        ("To", item.recipient),
        ("State", item.state),
        ("Attempts", str(item.attempts)),
        ("Created", to_rfc3339(item.created_at)),
        ("Next attempt", _format_time(item.next_attempt_at)),
        ("Leased until", _format_time(item.leased_until)),
        ("Expires", to_rfc3339(item.expires_at)),
        ("Sent", _format_time(item.sent_at)),
        ("Message-ID", item.message_id),
        ("Last error", item.last_error or "none"),
    ]


def _format_time(value: datetime | None) -> str:
    return to_rfc3339(value) if value else "-"
