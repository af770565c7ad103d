"""`flaskauth users import` and `flaskauth users export`."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import click
import orjson

from flaskauth.cli import output
from flaskauth.user_admin import exporter
from flaskauth.user_admin.import_reader import CSV, FORMAT_BY_SUFFIX, JSON_LINES, RowReader, UnreadableFile
from flaskauth.user_admin.import_row import FIELDS, REJECT_COLUMNS
from flaskauth.user_admin.importer import BATCH_SIZE, Import, ImportStats
from flaskauth.user_admin.rejects import RejectsFile, open_private

MAX_LISTED_COLUMNS = 20
STDIN = "-"


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--format", "file_format", type=click.Choice([CSV, JSON_LINES]), help="File format; default: by the file extension."
)
@click.option(
    "--rejected",
    "rejects_path",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default="beside FILE",
    help="File for rejected rows, with the reasons.",
)
@click.option("--dry-run", is_flag=True, help="Validate the rows and write nothing to the database.")
@click.pass_context
def import_(ctx: click.Context, file: Path, file_format: str | None, rejects_path: Path | None, dry_run: bool) -> None:
    """Import users, with their password hashes.

    FILE is CSV with a header (.csv) or JSON Lines (.jsonl, .ndjson), or - for standard input. Each row needs email.
    Optional fields are id, first_name, last_name, verified, password (the hash), country, locale, created_at,
    disabled_at and deletion_due_at.

    Existing users stay unchanged, so an interrupted import can be run again. The exit status is 1 if rows were
    rejected.
    """
    file_format = file_format or _detect_format(file)
    rejects_path = rejects_path or (None if dry_run else _default_rejects_path(file, file_format))
    if rejects_path and rejects_path.exists() and file.exists() and rejects_path.samefile(file):
        raise click.UsageError(f"{file} is the input file. Specify a different file with --rejected.")
    stats = ImportStats()
    with (
        output.load_app(logging.WARNING).app_context(),
        _open_input(file) as stream,
        RejectsFile(rejects_path, file_format) as rejects,
    ):
        reader = RowReader(stream, file_format)
        try:
            _run_import(reader, Import(dry_run, stats), rejects, file.stat().st_size if file.name != STDIN else None)
        except UnreadableFile as error:
            raise click.ClickException(f"{file}: {error}") from None
        except OSError as error:
            raise click.FileError(str(error.filename or file), error.strerror) from None
    _print_ignored_columns(reader.columns)
    _print_summary(stats, rejects_path, dry_run=dry_run)
    ctx.exit(1 if stats.rejected else 0)


@click.command()
@click.argument("file", default=STDIN, type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--with-hashes", is_flag=True, help="Include password hashes. Protect the file like a password.")
def export(file: Path, with_hashes: bool) -> None:
    """Export all users as JSON Lines, in the import format.

    Writes to FILE or standard output. Users who are imported without a hash set a new password with forgot-password.
    """
    with output.load_app(logging.WARNING).app_context(), _open_output(file) as out:
        for user in exporter.export_users(with_hashes=with_hashes):
            out.write(orjson.dumps(user, option=orjson.OPT_APPEND_NEWLINE))


def _run_import(reader: RowReader, user_import: Import, rejects: RejectsFile, size: int | None) -> None:
    rows = iter(reader)
    with output.progress_bar() as bar:
        task = bar.add_task("Users", total=size)
        while batch := list(islice(rows, BATCH_SIZE)):
            for row, reason in user_import.import_batch(batch):
                rejects.write(row, reason, reader.header)
            bar.update(task, completed=reader.lines.bytes_read)


def _print_ignored_columns(columns: set[str]) -> None:
    """Report those of the file's columns that are unknown. Unprintable characters of their names are replaced."""
    ignored = sorted(columns - FIELDS - REJECT_COLUMNS)
    if ignored:
        names = ["".join(c if c.isprintable() else "?" for c in name) for name in ignored[:MAX_LISTED_COLUMNS]]
        click.echo(
            f"Ignored columns: {', '.join(names)}{' ...' if len(ignored) > MAX_LISTED_COLUMNS else ''}", err=True
        )


def _print_summary(stats: ImportStats, rejects_path: Path | None, *, dry_run: bool) -> None:
    rows = [
        ("would import" if dry_run else "imported", stats.created),
        ("- verified", stats.verified),
        ("- unverified", stats.created - stats.verified),
        ("- disabled", stats.disabled),
        *((f"- hash: {scheme}", count) for scheme, count in sorted(stats.hash_schemes.items())),
        ("already exist", stats.existing),
        ("rejected", stats.rejected.total()),
        *((f"- {reason}", count) for reason, count in sorted(stats.rejected.items())),
    ]
    output.print_table(("Users", "Count"), [(label, f"{count:,}") for label, count in rows])
    if dry_run:
        click.echo("Dry run: no users were imported.")
    if stats.rejected and rejects_path:
        click.echo(
            f"The rejected rows and the reasons are in {rejects_path}. The file contains hashes: delete it after use."
        )


def _detect_format(file: Path) -> str:
    file_format = FORMAT_BY_SUFFIX.get(file.suffix.lower())
    if file_format is None:
        raise click.UsageError(f"The format of {file} is unknown. Specify --format csv or --format jsonl.")
    return file_format


def _default_rejects_path(file: Path, file_format: str) -> Path:
    return file.with_name(f"{'stdin' if file.name == STDIN else file.name}.rejected.{file_format}")


@contextmanager
def _open_input(file: Path) -> Iterator[BinaryIO]:
    if file.name == STDIN:
        yield sys.stdin.buffer
        return
    with file.open("rb") as stream:
        yield stream


@contextmanager
def _open_output(file: Path) -> Iterator[BinaryIO]:
    if file.name == STDIN:
        yield sys.stdout.buffer
        return
    try:
        with open_private(file) as stream:
            yield stream
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from None
