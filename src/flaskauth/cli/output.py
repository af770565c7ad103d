"""Shared by the commands: the application without routes, tables and progress bars."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import orjson
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from flaskauth import migrations
from flaskauth.app import UNDECRYPTABLE_KEYS, create_base_app
from flaskauth.cli import installation
from flaskauth.core.crypto import DecryptionError
from flaskauth.core.db.error_messages import driver_error, is_schema_missing
from flaskauth.core.errors import Unavailable
from flaskauth.core.observability import log

if TYPE_CHECKING:
    from rich.progress import Progress


def load_app(level: int = logging.INFO) -> Flask:
    """Return the application without routes, and log from this level on. `flask auth` uses its own application."""
    log.configure(level)
    return installation.flask_server() or create_base_app(installation.load_settings())


@contextmanager
def report_errors() -> Iterator[None]:
    """Report errors of the database, the migrations and the signing keys as messages without a traceback."""
    try:
        yield
    except DecryptionError:
        raise click.ClickException(UNDECRYPTABLE_KEYS) from None
    except migrations.MigrationError as error:
        raise click.ClickException(str(error)) from None
    except (SQLAlchemyError, Unavailable) as error:
        raise click.ClickException(_database_error_message(error)) from None


def print_json(value: object) -> None:
    """Print JSON for scripts."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def print_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table, or "No entries." without rows. It is as wide as the terminal, or 100 columns without one."""
    from rich.table import Table  # noqa: PLC0415 (`flaskauth serve` needs no rich)

    from flaskauth.doctor import report  # noqa: PLC0415

    table = Table(box=None, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*row)
    report.console().print(table if rows else "No entries.")


def progress_bar() -> "Progress":
    """Return a progress bar on standard error, disabled if that is not a terminal."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _database_error_message(error: Exception) -> str:
    """Return the driver's message, without the SQL statement, and how to fix the error."""
    reason = driver_error(error)
    driver_message = ": ".join(map(str, reason.args)) or reason
    if is_schema_missing(error):
        return f"The database is not up to date ({driver_message}). Run: flaskauth db upgrade"
    return f"Database error: {driver_message}\nCheck the database and SQLALCHEMY_DATABASE_URI. Run: flaskauth doctor"
