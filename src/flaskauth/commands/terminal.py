"""What every command needs: the application without its routes, a table, a bar."""

import logging
from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from flaskauth.app import bare
from flaskauth.doctor import report
from flaskauth.foundation import log
from flaskauth.foundation.server import Server
from flaskauth.settings import Settings


def app(level: int = logging.INFO) -> Server:
    """The application without its routes, which logs from this level on."""
    log.configure(level)
    return bare(Settings.load())


def show(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table, as wide as the terminal."""
    table = Table(box=None, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    report.console().print(table if rows else "Nothing yet.")


def progress() -> Progress:
    """A bar for people who wait at a terminal; nothing where nobody looks."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)
