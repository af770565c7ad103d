"""Shared by the commands: the application without routes, tables and progress bars."""

import logging
from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from flaskauth.app import create_base_app
from flaskauth.cli import installation
from flaskauth.core.http.app import AuthFlask
from flaskauth.core.observability import log
from flaskauth.doctor import report


def load_app(level: int = logging.INFO) -> AuthFlask:
    """Create the application without routes, and log from this level on."""
    log.configure(level)
    return create_base_app(installation.load_settings())


def print_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table as wide as the terminal, or 100 columns without one, or "No entries." if there are no rows."""
    table = Table(box=None, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*row)
    report.console().print(table if rows else "No entries.")


def progress_bar() -> Progress:
    """Return a progress bar on standard error, disabled if that is not a terminal."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)
