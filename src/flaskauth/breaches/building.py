"""Make a filter of a list: read line by line, written under another name, in its place once it is whole."""

import os
import tempfile
from binascii import unhexlify
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from typing import IO

from flaskauth.bloom import Bloom
from flaskauth.breaches.digests import LENGTH, digest

AT_A_TIME = 2**20  # bytes
LONGEST_LINE = 4096  # bytes; no password is as long
READABLE = 0o644

Read = Callable[[bytes], bytes | None]
Note = Callable[[int], object]


class NothingUsable(Exception):
    """No line of the list is what it should be."""


@dataclass(frozen=True)
class Built:
    """What came of it."""

    bloom: Bloom
    odd: int  # lines that were left out


def lines_of(stream: IO[bytes], note: Note) -> int:
    """How many lines there are, one that does not end included; `note` is told of the bytes that were read."""
    count, last = 0, b"\n"
    while chunk := stream.read(AT_A_TIME):
        count, last = count + chunk.count(b"\n"), chunk[-1:]
        note(len(chunk))
    return count + (last != b"\n")


def build(stream: IO[bytes], output: Path, plan: Bloom, read: Read, note: Note) -> Built:
    """Put every line that `read` makes a digest of into a filter; `note` is told of the bytes that were read.

    Raises:
        NothingUsable, OSError
    """
    used = odd = 0
    with _draft(output) as draft, _mapped(draft, plan.size) as file:
        for lines in _lines(stream, note):
            digests = [found for line in lines if (found := read(line))]
            plan.put(file, digests)
            file.madvise(MADV_DONTNEED)  # the pages go on being the system's: this process stays small
            used += len(digests)
            odd += len(lines) - len(digests)
        if not used:
            raise NothingUsable
        file[: len(plan.header())] = plan.having(used).header()
    return Built(plan.having(used), odd)


def hashed(line: bytes) -> bytes | None:
    """The digest in `40 HEX` or `40 HEX:count`, as Pwned Passwords are published; count 0 is padding."""
    count = line[LENGTH:].strip()
    if count and not (count[:1] == b":" and count[1:].isdigit() and count[1:].strip(b"0")):
        return None
    try:
        found = unhexlify(line[:LENGTH])
    except ValueError:
        return None
    return found if len(found) * 2 == LENGTH else None


def plain(line: bytes) -> bytes | None:
    """The digest of a line that is a password."""
    password = line.removesuffix(b"\r")
    try:
        return digest(password.decode()) if 0 < len(password) < LONGEST_LINE else None
    except UnicodeDecodeError:
        return None


def _lines(stream: IO[bytes], note: Note) -> Iterator[list[bytes]]:
    """The lines, some at a time; of one without end so much is kept that it is seen to be too long."""
    rest = b""
    while chunk := stream.read(AT_A_TIME):
        *lines, rest = (rest[:LONGEST_LINE] + chunk).split(b"\n")
        yield lines
        note(len(chunk))
    yield [rest] if rest else []


@contextmanager
def _draft(output: Path) -> Iterator[IO[bytes]]:
    """A file beside the output that takes its place in the end, and is gone where something goes wrong."""
    with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f"{output.name}.", suffix=".part", delete=False) as file:
        draft = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            draft.chmod(READABLE)
            draft.replace(output)
        except BaseException:
            draft.unlink()
            raise


@contextmanager
def _mapped(file: IO[bytes], size: int) -> Iterator[mmap]:
    """The file in memory as far as the system likes; a disk that is too small is told before anything is written."""
    file.truncate(size)
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    with mmap(file.fileno(), size) as pages:
        yield pages
        pages.flush()
