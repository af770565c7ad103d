"""The `flaskauth` command."""

from collections.abc import Sequence
from typing import Any

import click
from alembic.util import CommandError
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from flaskauth import migrations, serving
from flaskauth.app import LOCKED_KEYS, bare
from flaskauth.foundation import log
from flaskauth.foundation.clock import stamp
from flaskauth.foundation.crypto import CannotOpen
from flaskauth.foundation.db import transaction
from flaskauth.foundation.errors import Unavailable
from flaskauth.foundation.server import Server
from flaskauth.keys import service as keys
from flaskauth.mail import service as mail_service
from flaskauth.mail.models import STATES
from flaskauth.sessions import service as sessions
from flaskauth.settings import Settings

PIPE_WIDTH = 240  # columns; what reads a pipe wants whole lines


class Commands(click.Group):
    """Says in words what the database, Alembic or a sealed key says."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CannotOpen:
            raise click.ClickException(LOCKED_KEYS) from None
        except CommandError as error:
            raise click.ClickException(str(error)) from None
        except (SQLAlchemyError, Unavailable) as error:
            raise click.ClickException(
                f"The database says: {_reason(error)}\nIs it there, and up to date? flaskauth db upgrade"
            ) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flaskauth")
def main() -> None:
    """A self-hosted authentication server. Settings come from the environment and from .env."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen at.")
@click.option(
    "--workers", default=None, type=click.IntRange(1, 256), help="Server processes. [default: 1, or WEB_CONCURRENCY]"
)
def serve(host: str, port: int, workers: int | None) -> None:
    """Serve, in development or production, as the settings say."""
    serving.serve(host, port, workers)


@main.group()
def db() -> None:
    """The database's schema."""


@db.command()
@click.option("--to", default="head", show_default=True, help="The revision to go to.")
def upgrade(to: str) -> None:
    """Bring the database up to date: schema, countries and regions."""
    settings = Settings.load()
    migrations.upgrade(settings.database_url, to)
    click.echo(f"The database is at revision {migrations.head() if to == 'head' else to}.")


@main.group("keys")
def signing_keys() -> None:
    """The keys that sign access tokens."""


@signing_keys.command()
@click.option("--now", is_flag=True, help="After a leak: sign with the new key at once and refuse every older one.")
def rotate(now: bool) -> None:
    """Make the next signing key; it signs in an hour, once other services have read it."""
    with _app().app_context():
        kid = keys.rotate(at_once=now)
    click.echo(f"Key {kid} " + ("signs now; older tokens are refused within a minute." if now else "signs in an hour."))


@signing_keys.command()
@click.confirmation_option(prompt="This signs everybody out. Go on?")
def reset() -> None:
    """For a lost SECRET_KEY: drop every key, make a new one, end every session."""
    with _app().app_context():
        kid = keys.reset()
        ended = transaction(sessions.end_everybody)
    click.echo(f"Key {kid} signs now. {ended} sessions were ended.")


@signing_keys.command("list")
def list_keys() -> None:
    """Show the keys and when they sign."""
    with _app().app_context():
        rows = [(str(key.ordinal), key.kid, stamp(key.created_at), stamp(key.signs_from)) for key in keys.listing()]
    _show(("No.", "Key", "Made", "Signs from"), rows)


@main.group()
def mail() -> None:
    """The mail that goes out."""


@mail.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only mails in this state.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many, the newest first."
)
def list_mail(state: str | None, limit: int) -> None:
    """Show what became of the newest mails; never what they say."""
    with _app().app_context():
        rows = [
            (
                str(item.id),
                item.template,
                item.recipient,
                item.state,
                str(item.tries),
                stamp(item.created_at),
                item.last_error or "",
            )
            for item in mail_service.recent(limit, state)
        ]
    _show(("Mail", "Template", "To", "State", "Tries", "Made", "Last error"), rows)


def _reason(error: Exception) -> object:
    """The driver's own words, without the statement that caused them."""
    cause = error.__cause__ if isinstance(error, Unavailable) else error
    return getattr(cause, "orig", cause)


def _app() -> Server:
    log.configure()
    return bare(Settings.load())


def _show(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(box=None, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(table if rows else "Nothing yet.")
