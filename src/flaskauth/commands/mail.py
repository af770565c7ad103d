"""`flaskauth mail`: what became of mails, and another try for those that are dead."""

import logging
from collections.abc import Sequence
from datetime import datetime

import click

from flaskauth.commands import terminal
from flaskauth.foundation.clock import stamp
from flaskauth.foundation.db import transaction
from flaskauth.mail import service
from flaskauth.mail.models import STATES
from flaskauth.mail.service import Listed

mail_id = click.argument("mail_id", metavar="MAIL", type=click.IntRange(1, 2**63 - 1))


@click.group()
def mail() -> None:
    """The mail that goes out."""


@mail.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only mails in this state.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many, the newest first."
)
def list_(state: str | None, limit: int) -> None:
    """Show what became of the newest mails; never what they say."""
    with terminal.app().app_context():
        rows = [_row(item) for item in service.recent(limit, state)]
    terminal.show(("Mail", "Template", "To", "State", "Tries", "Made", "Last error"), rows)


@mail.command()
@mail_id
def show(mail_id: int) -> None:
    """Show what became of one mail, and when; never what it says."""
    terminal.show(("What", "How it is"), _about(_found(mail_id)))


@mail.command()
@click.argument("mail_ids", metavar="[MAIL]...", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@click.option("--dead", is_flag=True, help="Every dead one that is still of use.")
def retry(mail_ids: Sequence[int], dead: bool) -> None:
    """Have dead mails tried again, and waiting ones at once.

    They go out within seconds, by whoever sends mail here. A mail whose code has ended meanwhile is dropped.
    """
    if bool(mail_ids) == dead:
        raise click.UsageError("Name mails, or say --dead.")
    with terminal.app(logging.WARNING).app_context():
        again = transaction(lambda: service.retry(mail_ids))
    click.echo(f"{len(again)} mails will be tried again.")
    if left := [each for each in mail_ids if each not in again]:
        raise click.ClickException("\n".join(_why_not(each) for each in left))


def _why_not(mail_id: int) -> str:
    found = _found(mail_id)
    reason = f"its use was over at {stamp(found.expires_at)}" if service.is_open(found) else f"it is {found.state}"
    return f"Mail {mail_id} will not: {reason}."


def _found(mail_id: int) -> Listed:
    with terminal.app(logging.WARNING).app_context():
        found = service.find(mail_id)
    if found is None:
        raise click.ClickException(f"There is no mail {mail_id}.")
    return found


def _row(found: Listed) -> tuple[str, ...]:
    made, error = stamp(found.created_at), found.last_error or ""
    return (str(found.id), found.template, found.recipient, found.state, str(found.tries), made, error)


def _about(found: Listed) -> list[tuple[str, str]]:
    return [
        ("Mail", str(found.id)),
        ("Template", found.template),
        ("To", found.recipient),
        ("State", found.state),
        ("Tries", str(found.tries)),
        ("Made", stamp(found.created_at)),
        ("Next try", _moment(found.next_try_at)),
        ("Being sent until", _moment(found.leased_until)),
        ("Of use until", stamp(found.expires_at)),
        ("Sent", _moment(found.sent_at)),
        ("Message-ID", found.message_id),
        ("Last error", found.last_error or "none"),
    ]


def _moment(moment: datetime | None) -> str:
    return stamp(moment) if moment else "-"
