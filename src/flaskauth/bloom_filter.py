"""A Bloom filter in a file. A lookup reads one page, and nothing stays in memory.

All bits of a digest are in one page, which its first 8 bytes select. A list that is sorted by digest therefore fills
one page after the other, whatever the size of the filter.
"""

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from mmap import mmap
from pathlib import Path
from struct import Struct
from typing import Self

PAGE_BYTES = 4096
PAGE_BITS = PAGE_BYTES * 8
MAGIC, VERSION = b"flaskauth-bloom\n", 1
MAX_BITS_PER_DIGEST = 64
TRUNCATED = "is a truncated filter; copy it again"
BITS_FACTOR = 0.6  # of the bits per digest of the smallest filter: 10% more space for 40% less work
PAGE_MARGIN = 1.01  # digests are not distributed evenly over the pages

_HEADER = Struct("<16sIIQQ")  # magic, version, bits per digest, pages, digests
# The 20 bytes of a digest: the page, the first bit in it, the step to the next bit, and the growth of the step.
_DIGEST_PARTS = Struct(">QIII")


class InvalidFilterFile(ValueError):
    """The file is not a filter, or it is truncated."""


@dataclass(frozen=True)
class BloomFilter:
    """The header of a filter file, which is its first page."""

    pages: int
    bits: int
    """Per digest."""
    count: int
    """The number of digests."""

    @classmethod
    def for_count(cls, count: int, one_in: int) -> Self:
        """Create a filter for `count` digests with a false positive rate of 1 in `one_in`."""
        bits = max(1, round(math.log2(one_in) * BITS_FACTOR))
        needed = count * bits / -math.log1p(-(one_in ** (-1 / bits)))
        return cls(math.ceil(needed * PAGE_MARGIN / PAGE_BITS), bits, count)

    def with_count(self, count: int) -> Self:
        """Return the filter with the actual number of digests."""
        return replace(self, count=count)

    @property
    def file_size(self) -> int:
        """The size of the file in bytes."""
        return (self.pages + 1) * PAGE_BYTES

    @property
    def one_in(self) -> int:
        """The false positive rate is 1 in `one_in`."""
        set_bits = -math.expm1(-self.bits * self.count / (self.pages * PAGE_BITS))
        return round(set_bits**-self.bits)

    def pack_header(self) -> bytes:
        """Return the first page of the file."""
        return _HEADER.pack(MAGIC, VERSION, self.bits, self.pages, self.count).ljust(PAGE_BYTES, b"\0")

    def add(self, file: mmap, digests: Iterable[bytes]) -> None:
        """Set the bits of the digests in the file."""
        for digest in digests:
            page, bits = self.locate(digest)
            for bit in bits:
                file[page + (bit >> 3)] |= 1 << (bit & 7)

    def locate(self, digest: bytes) -> tuple[int, list[int]]:
        """Return the offset of the digest's page in the file, and its bits in the page.

        The step between bits grows (enhanced double hashing): with a constant step, bits collide too often.
        """
        part, bit, step, growth = _DIGEST_PARTS.unpack(digest)
        bits = []
        for _ in range(self.bits):
            bits.append(bit % PAGE_BITS)
            bit += step
            step += growth
        return ((part * self.pages >> 64) + 1) * PAGE_BYTES, bits


def read_header(path: Path) -> BloomFilter:
    """Return the header of a filter file.

    Raises:
        OSError, InvalidFilterFile
    """
    file = _open_file(path)
    try:
        return _parse_header(file)
    finally:
        os.close(file)


def contains(path: Path, digest: bytes) -> bool:
    """Return True if the filter contains the digest, or for a false positive.

    The file is read and not mapped: if it is truncated meanwhile, a mapping would end the process with SIGBUS. It is
    opened for each lookup, so a replaced file is used immediately.

    Raises:
        OSError, InvalidFilterFile
    """
    file = _open_file(path)
    try:
        offset, bits = _parse_header(file).locate(digest)
        page = os.pread(file, PAGE_BYTES, offset)
    finally:
        os.close(file)
    if len(page) < PAGE_BYTES:
        raise InvalidFilterFile(TRUNCATED)
    return all(page[bit >> 3] >> (bit & 7) & 1 for bit in bits)


def _open_file(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # do not wait for a pipe


def _parse_header(file: int) -> BloomFilter:
    raw = os.pread(file, _HEADER.size, 0).ljust(_HEADER.size, b"\0")
    magic, version, bits, pages, count = _HEADER.unpack(raw)
    if (magic, version) != (MAGIC, VERSION) or not (pages and count and 0 < bits <= MAX_BITS_PER_DIGEST):
        raise InvalidFilterFile("is not a filter; `flaskauth passwords build-filter` creates one")
    header = BloomFilter(pages, bits, count)
    if os.fstat(file).st_size != header.file_size:
        raise InvalidFilterFile(TRUNCATED)
    return header
