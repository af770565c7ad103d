"""Build a Bloom filter file from a list of passwords or hashes. The output file is replaced atomically."""

import os
import tempfile
from binascii import unhexlify
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from typing import IO

from flaskauth.bloom_filter import BloomFilter
from flaskauth.breached_passwords.sha1 import HEX_LENGTH, password_sha1

CHUNK_SIZE = 2**20  # bytes
MAX_LINE_LENGTH = 4096  # bytes; longer lines are not passwords
OUTPUT_MODE = 0o644

LineParser = Callable[[bytes], bytes | None]
ProgressCallback = Callable[[int], object]


class EmptyInput(Exception):
    """The list has no valid line."""


@dataclass(frozen=True)
class BuildResult:
    """The filter that was written."""

    bloom_filter: BloomFilter
    skipped: int  # number of invalid lines


def count_lines(stream: IO[bytes], on_progress: ProgressCallback) -> int:
    """Return the number of lines, including an unterminated last one. `on_progress` gets the number of bytes read."""
    count, last = 0, b"\n"
    while chunk := stream.read(CHUNK_SIZE):
        count, last = count + chunk.count(b"\n"), chunk[-1:]
        on_progress(len(chunk))
    return count + (last != b"\n")


def build(
    stream: IO[bytes], output: Path, layout: BloomFilter, parse_line: LineParser, on_progress: ProgressCallback
) -> BuildResult:
    """Write a filter with the digests that `parse_line` returns. `on_progress` gets the number of bytes read.

    Raises:
        EmptyInput, OSError
    """
    added = skipped = 0
    with _atomic_output(output) as draft, _memory_map(draft, layout.file_size) as file:
        for lines in _read_lines(stream, on_progress):
            digests = [parsed for line in lines if (parsed := parse_line(line))]
            layout.add(file, digests)
            file.madvise(MADV_DONTNEED)  # the kernel keeps the pages cached; the process stays small
            added += len(digests)
            skipped += len(lines) - len(digests)
        if not added:
            raise EmptyInput
        file[: len(layout.pack_header())] = layout.with_count(added).pack_header()
    return BuildResult(layout.with_count(added), skipped)


def parse_sha1_line(line: bytes) -> bytes | None:
    """Return the digest of a line `SHA1` or `SHA1:COUNT`, the format of Pwned Passwords. None if invalid or padding.

    Padding has the count 0.
    """
    count = line[HEX_LENGTH:].strip()
    if count and not (count[:1] == b":" and count[1:].isdigit() and count[1:].strip(b"0")):
        return None
    try:
        digest = unhexlify(line[:HEX_LENGTH])
    except ValueError:
        return None
    return digest if len(digest) * 2 == HEX_LENGTH else None


def parse_password_line(line: bytes) -> bytes | None:
    """Return the digest of a line that contains a password, or None if it is invalid."""
    password = line.removesuffix(b"\r")
    try:
        return password_sha1(password.decode()) if 0 < len(password) < MAX_LINE_LENGTH else None
    except UnicodeDecodeError:
        return None


def _read_lines(stream: IO[bytes], on_progress: ProgressCallback) -> Iterator[list[bytes]]:
    """Yield the lines in batches. A long line is truncated, but stays longer than MAX_LINE_LENGTH."""
    rest = b""
    while chunk := stream.read(CHUNK_SIZE):
        *lines, rest = (rest[:MAX_LINE_LENGTH] + chunk).split(b"\n")
        yield lines
        on_progress(len(chunk))
    yield [rest] if rest else []


@contextmanager
def _atomic_output(output: Path) -> Iterator[IO[bytes]]:
    """Yield a temporary file in the same folder that replaces the output, or is deleted if an exception is raised."""
    with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f"{output.name}.", suffix=".part", delete=False) as file:
        draft = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            draft.chmod(OUTPUT_MODE)
            draft.replace(output)
        except BaseException:
            draft.unlink()
            raise


@contextmanager
def _memory_map(file: IO[bytes], size: int) -> Iterator[mmap]:
    """Map the file into memory. The space is allocated first, so that a full disk is reported immediately."""
    file.truncate(size)
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    with mmap(file.fileno(), size) as pages:
        yield pages
        pages.flush()
