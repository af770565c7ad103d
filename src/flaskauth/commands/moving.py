"""`flaskauth users import` and `export`: people out of a file, and into one."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import click
import orjson

from flaskauth.commands import terminal
from flaskauth.users import exporting
from flaskauth.users.importing import AT_A_TIME, Import, Tally
from flaskauth.users.newcomers import FIELDS, NOTES
from flaskauth.users.reading import CSV, ENDINGS, JSON_LINES, People, Unreadable
from flaskauth.users.refusals import Refusals, private

MOST_NAMED = 20  # columns
STDIN = "-"


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--format", "form", type=click.Choice([CSV, JSON_LINES]), help="Unless the file's ending says so.")
@click.option(
    "--refused",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default="beside FILE",
    help="Where rows go that are not taken in, with the reason.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing; only say what would become of the rows.")
@click.pass_context
def import_(ctx: click.Context, file: Path, form: str | None, refused: Path | None, dry_run: bool) -> None:
    """Bring people along, with the hashes of their passwords.

    FILE is CSV with a header (.csv) or JSON Lines (.jsonl, .ndjson), or - for standard input. A row has email, and
    where they are known id, first_name, last_name, verified, password (the hash), country, locale, created_at,
    disabled_at, closes_at.

    Who is there already stays as they are: what was interrupted is started again. Ends with 1 where rows were refused.
    """
    form = form or _form_of(file)
    refused = refused or (None if dry_run else _beside(file, form))
    if refused and refused.exists() and file.exists() and refused.samefile(file):
        raise click.UsageError(f"{file} is read while refused rows are written: name another file for them.")
    tally = Tally()
    with terminal.app(logging.WARNING).app_context(), _opened(file) as stream, Refusals(refused, form) as refusals:
        people = People(stream, form)
        try:
            _bring(people, Import(dry_run, tally), refusals, file.stat().st_size if file.name != STDIN else None)
        except Unreadable as error:
            raise click.ClickException(f"{file}: {error}") from None
        except OSError as error:
            raise click.FileError(str(error.filename or file), error.strerror) from None
    _tell_ignored(people.columns)
    _tell(tally, refused, dry_run=dry_run)
    ctx.exit(1 if tally.refused else 0)


@click.command()
@click.argument("file", default=STDIN, type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--with-hashes", is_flag=True, help="With the hashes of passwords: keep such a file like a password.")
def export(file: Path, with_hashes: bool) -> None:
    """List everybody as JSON Lines, which can be imported again.

    FILE, or standard output. Without hashes whoever is imported from it sets a new password by forgot-password.
    """
    with terminal.app(logging.WARNING).app_context(), _made(file) as out:
        for person in exporting.everybody(with_hashes=with_hashes):
            out.write(orjson.dumps(person, option=orjson.OPT_APPEND_NEWLINE))


def _bring(people: People, bringing: Import, refusals: Refusals, size: int | None) -> None:
    rows = iter(people)
    with terminal.progress() as bar:
        done = bar.add_task("People", total=size)
        while batch := list(islice(rows, AT_A_TIME)):
            for row, reason in bringing.take(batch):
                refusals.write(row, reason, people.header)
            bar.update(done, completed=people.lines.bytes_read)


def _tell_ignored(columns: set[str]) -> None:
    """One note for all columns that mean nothing here; their names come from a file, so nothing odd is printed."""
    ignored = sorted(columns - FIELDS - NOTES)
    if ignored:
        names = ["".join(c if c.isprintable() else "?" for c in name) for name in ignored[:MOST_NAMED]]
        click.echo(f"Ignored columns: {', '.join(names)}{' ...' if len(ignored) > MOST_NAMED else ''}", err=True)


def _tell(tally: Tally, refused: Path | None, *, dry_run: bool) -> None:
    rows = [
        ("would come in" if dry_run else "came in", tally.new),
        ("- verified", tally.verified),
        ("- unverified", tally.new - tally.verified),
        ("- disabled", tally.disabled),
        *((f"- hash: {kind}", count) for kind, count in sorted(tally.kinds.items())),
        ("there already", tally.already),
        ("refused", tally.refused.total()),
        *((f"- {reason}", count) for reason, count in sorted(tally.refused.items())),
    ]
    terminal.show(("People", "How many"), [(what, f"{count:,}") for what, count in rows])
    if dry_run:
        click.echo("Nobody was brought in: this was a dry run.")
    if tally.refused and refused:
        click.echo(f"The refused rows are in {refused}, with the reasons. They hold hashes: delete it in the end.")


def _form_of(file: Path) -> str:
    found = ENDINGS.get(file.suffix.lower())
    if found is None:
        raise click.UsageError(f"What is in {file}? Say --format csv or --format jsonl.")
    return found


def _beside(file: Path, form: str) -> Path:
    return file.with_name(f"{'stdin' if file.name == STDIN else file.name}.refused.{form}")


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if file.name == STDIN:
        yield sys.stdin.buffer
        return
    with file.open("rb") as stream:
        yield stream


@contextmanager
def _made(file: Path) -> Iterator[BinaryIO]:
    if file.name == STDIN:
        yield sys.stdout.buffer
        return
    try:
        with private(file) as stream:
            yield stream
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from None
