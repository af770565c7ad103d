"""A Bloom filter in a file: one page of it is read for each question, and nothing stays in memory.

All bits of a digest lie in one page, and which page follows from its first bytes: a list that is sorted by digest fills
page after page, however large the filter is.
"""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from mmap import mmap
from pathlib import Path
from struct import Struct
from typing import Self

PAGE = 4096  # bytes
BITS = PAGE * 8
MAGIC, VERSION = b"flaskauth-bloom\n", 1
MOST_BITS = 64  # of one digest
CUT_SHORT = "is a filter that was cut short; copy it again"
SHARE = 0.6  # of the bits that make the smallest filter: a tenth more room, four tenths less work
SPARE = 1.01  # some pages get more digests than others

_HEADER = Struct("<16sIIQQ")  # magic, version, bits of a digest, pages, digests
_PARTS = Struct(
    ">QIII"
)  # of a digest's 20 bytes: its page, its first bit there, the step to the next, the step's growth


class NoFilter(ValueError):
    """The file is no filter, or not a whole one."""


@dataclass(frozen=True)
class Bloom:
    """What the first page tells of the others."""

    pages: int
    bits: int  # of each digest
    count: int  # of digests

    @classmethod
    def fitting(cls, count: int, one_in: int) -> Self:
        """For so many digests, so that one in `one_in` others is taken for one of them."""
        bits = max(1, round(math.log2(one_in) * SHARE))
        needed = count * bits / -math.log1p(-(one_in ** (-1 / bits)))
        return cls(math.ceil(needed * SPARE / BITS), bits, count)

    def having(self, count: int) -> Self:
        """The same, when another number came."""
        return replace(self, count=count)

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return (self.pages + 1) * PAGE

    @property
    def one_in(self) -> int:
        """One in so many that were not put in is taken for one that was."""
        set_bits = -math.expm1(-self.bits * self.count / (self.pages * BITS))
        return round(set_bits**-self.bits)

    def header(self) -> bytes:
        return _HEADER.pack(MAGIC, VERSION, self.bits, self.pages, self.count).ljust(PAGE, b"\0")

    def put(self, file: mmap, digests: Iterable[bytes]) -> None:
        """Set their bits in the file."""
        for digest in digests:
            page, bits = self.place(digest)
            for bit in bits:
                file[page + (bit >> 3)] |= 1 << (bit & 7)

    def place(self, digest: bytes) -> tuple[int, list[int]]:
        """Where its page begins in the file, and its bits in the page. A growing step, or bits would meet too often."""
        part, bit, step, growth = _PARTS.unpack(digest)
        bits = []
        for _ in range(self.bits):
            bits.append(bit % BITS)
            bit += step
            step += growth
        return ((part * self.pages >> 64) + 1) * PAGE, bits


def read(path: Path) -> Bloom:
    """What a filter's file tells of itself.

    Raises:
        OSError, NoFilter
    """
    file = _open(path)
    try:
        return _header(file)
    finally:
        os.close(file)


def holds(path: Path, digest: bytes) -> bool:
    """Whether the digest was put in, or is taken for one that was.

    The file is read and not mapped: where somebody cuts it short meanwhile, that is an error here and not the process's
    end. It is opened each time, so that another in its place is read from then on.

    Raises:
        OSError, NoFilter
    """
    file = _open(path)
    try:
        begin, bits = _header(file).place(digest)
        page = os.pread(file, PAGE, begin)
    finally:
        os.close(file)
    if len(page) < PAGE:
        raise NoFilter(CUT_SHORT)
    return all(page[bit >> 3] >> (bit & 7) & 1 for bit in bits)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would keep us waiting


def _header(file: int) -> Bloom:
    told = os.pread(file, _HEADER.size, 0).ljust(_HEADER.size, b"\0")
    magic, version, bits, pages, count = _HEADER.unpack(told)
    if (magic, version) != (MAGIC, VERSION) or not (pages and count and 0 < bits <= MOST_BITS):
        raise NoFilter("is no filter; `flaskauth passwords build-filter` makes one")
    found = Bloom(pages, bits, count)
    if os.fstat(file).st_size != found.size:
        raise NoFilter(CUT_SHORT)
    return found
