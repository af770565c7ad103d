"""`flaskauth passwords`: make the file that breached passwords are looked up in."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click
from rich.filesize import decimal

from flaskauth.bloom import Bloom
from flaskauth.breaches import building
from flaskauth.breaches.building import Built, Note, NothingUsable
from flaskauth.commands import terminal

STDIN = Path("-")
NOTHING = {
    False: "No line of it is a SHA-1 hash in hexadecimal. Where it has passwords, say --plain.",
    True: "No line of it is a password in UTF-8.",
}


@click.group()
def passwords() -> None:
    """What passwords are compared with."""


@passwords.command("build-filter")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to make or to replace."
)
@click.option("--plain", is_flag=True, help="FILE has a password on each line, not a hash.")
@click.option("--count", type=click.IntRange(1), help="How many lines come; needed where FILE can be read only once.")
@click.option(
    "--one-in",
    default=100_000,
    show_default=True,
    type=click.IntRange(100, 10**9),
    help="Of passwords that are not in FILE, one in so many is taken for one that is.",
)
def build_filter(file: Path, output: Path, plain: bool, count: int | None, one_in: int) -> None:
    """Make the file that BREACHED_PASSWORDS names from a list.

    FILE has a SHA-1 hash in hexadecimal on each line, alone or with a colon and a number behind it, as Pwned Passwords
    are published; - is standard input. Lines of another form are left out. What a killed command leaves behind ends in
    .part; the file itself is whole or not there.
    """
    if count is None and (file == STDIN or not file.is_file()):
        raise click.UsageError("FILE can be read only once: say with --count how many lines come.")
    began = time.monotonic()
    try:
        plan = Bloom.fitting(count or _lines(file), one_in)
        with _reading(file, "Putting in") as (stream, note):
            built = building.build(stream, output, plan, building.plain if plain else building.hashed, note)
    except NothingUsable:
        raise click.ClickException(NOTHING[plain]) from None
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror}") from None
    _tell(built, plan, output, time.monotonic() - began)


def _lines(file: Path) -> int:
    with _reading(file, "Counting") as (stream, note):
        return max(1, building.lines_of(stream, note))


@contextmanager
def _reading(file: Path, doing: str) -> Iterator[tuple[IO[bytes], Note]]:
    """The list from its beginning, and a bar for people who wait at a terminal."""
    with click.open_file(str(file), "rb") as stream, terminal.progress() as bar:
        task = bar.add_task(doing, total=file.stat().st_size or None if file != STDIN else None)
        yield stream, lambda length: bar.advance(task, length)


def _tell(built: Built, plan: Bloom, output: Path, seconds: float) -> None:
    made, lines = built.bloom, built.bloom.count + built.odd
    click.echo(
        f"{output}: {made.count:,} passwords, {decimal(made.size)}. Of others one in {made.one_in:,} is refused."
    )
    if built.odd:
        click.echo(f"{built.odd:,} lines of another form were left out.")
    if made.count > plan.count:
        click.echo(f"More came than the {plan.count:,} of --count: the right number makes fewer mistakes.")
    click.echo(f"{lines:,} lines in {seconds:.1f} s, {lines / seconds:,.0f} a second.")
    click.echo(f"To use it, set BREACHED_PASSWORDS={output.absolute()}")
