"""`flaskauth passwords`: build the filter of breached passwords."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click
from rich.filesize import decimal

from flaskauth.bloom_filter import BloomFilter
from flaskauth.breached_passwords import filter_builder
from flaskauth.breached_passwords.filter_builder import BuildResult, EmptyInput, ProgressCallback
from flaskauth.cli import output

STDIN = Path("-")
EMPTY_INPUT_MESSAGES = {
    False: "The file contains no SHA-1 hash in hexadecimal. If it contains passwords, use --plain.",
    True: "The file contains no password in UTF-8.",
}


@click.group()
def passwords() -> None:
    """Manage the filter of breached passwords."""


@passwords.command("build-filter")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to create or replace."
)
@click.option("--plain", is_flag=True, help="FILE contains a password on each line instead of a hash.")
@click.option("--count", type=click.IntRange(1), help="Number of lines; required if FILE can be read only once.")
@click.option(
    "--one-in",
    default=100_000,
    show_default=True,
    type=click.IntRange(100, 10**9),
    help="False-positive rate: one in this many passwords that are not in FILE is rejected.",
)
def build_filter(file: Path, output: Path, plain: bool, count: int | None, one_in: int) -> None:
    """Build a filter file for BREACHED_PASSWORDS from a list.

    FILE contains a SHA-1 hash in hexadecimal on each line, optionally followed by a colon and a number, as in Pwned
    Passwords. - is standard input. Lines in a different format are skipped. The output file appears only when it is
    complete; an interrupted command leaves a file that ends in .part.
    """
    if count is None and (file == STDIN or not file.is_file()):
        raise click.UsageError("FILE can be read only once: specify the number of lines with --count.")
    started_at = time.monotonic()
    try:
        plan = BloomFilter.for_count(count or _count_lines(file), one_in)
        with _open_with_progress(file, "Adding") as (stream, on_bytes_read):
            result = filter_builder.build(
                stream,
                output,
                plan,
                filter_builder.parse_password_line if plain else filter_builder.parse_sha1_line,
                on_bytes_read,
            )
    except EmptyInput:
        raise click.ClickException(EMPTY_INPUT_MESSAGES[plain]) from None
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror}") from None
    _print_result(result, plan, output, time.monotonic() - started_at)


def _count_lines(file: Path) -> int:
    with _open_with_progress(file, "Counting") as (stream, on_bytes_read):
        return max(1, filter_builder.count_lines(stream, on_bytes_read))


@contextmanager
def _open_with_progress(file: Path, description: str) -> Iterator[tuple[IO[bytes], ProgressCallback]]:
    """Open the list and show its progress on a terminal."""
    with click.open_file(str(file), "rb") as stream, output.progress_bar() as bar:
        task = bar.add_task(description, total=file.stat().st_size or None if file != STDIN else None)
        yield stream, lambda length: bar.advance(task, length)


def _print_result(result: BuildResult, plan: BloomFilter, output: Path, seconds: float) -> None:
    bloom_filter, lines = result.bloom_filter, result.bloom_filter.count + result.skipped
    click.echo(
        f"{output}: {bloom_filter.count:,} passwords, {decimal(bloom_filter.file_size)}."
        f" False positives: one in {bloom_filter.one_in:,}."
    )
    if result.skipped:
        click.echo(f"{result.skipped:,} lines in a different format were skipped.")
    if bloom_filter.count > plan.count:
        click.echo(
            f"The list has more lines than --count ({plan.count:,}). The correct number gives fewer false positives."
        )
    click.echo(f"{lines:,} lines in {seconds:.1f} s, {lines / seconds:,.0f} per second.")
    click.echo(f"To use it, set BREACHED_PASSWORDS={output.absolute()}")
