"""Requests as bytes: good ones, and what noise, mischief and broken clients make of them.

Each is made of a seed and its number alone, so that it can be made again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.fuzz.oddities import CHUNK_SIZES, CODINGS, HEADERS, LENGTHS, METHODS, PREFACES, TARGETS
from tests.people import GRACE

Change = Callable[[Random, bytes], bytes]


@dataclass(frozen=True)
class Case:
    """What is sent, in which pieces, how long between them, and whether the connection is then torn down."""

    number: int
    kind: str
    pieces: tuple[bytes, ...]
    pause: float = 0
    is_torn: bool = False

    @property
    def sent(self) -> bytes:
        return b"".join(self.pieces)


def case(seed: int, number: int) -> Case:
    """The case of this number."""
    chance = Random(f"{seed}:{number}")
    names = [*CHANGES, "prefaces", "pipelined"]
    kind = chance.choice(names)
    if kind == "prefaces":
        sent = chance.choice(PREFACES) + chance.randbytes(chance.choice((0, 0, 20)))
    elif kind == "pipelined":
        sent = b"".join(
            _changed(chance)[1] if chance.random() < 0.3 else good(chance) for _ in range(chance.randint(2, 6))
        )
    else:
        kind, sent = _changed(chance, kind)
    return Case(number, kind, *_delivery(chance, sent))


def good(chance: Random, headers: tuple[bytes, ...] = ()) -> bytes:
    """A request as it should be."""
    where = b"X-Forwarded-For: 198.18.%d.%d" % (chance.randrange(256), chance.randrange(256))
    lines = (b"Host: 127.0.0.1", where, *headers)
    if chance.random() < 0.4:
        path = chance.choice(
            (b"/hello", b"/health/live", b"/countries", b"/users/profile", b"/users/activity?limit=5", b"/docs")
        )
        return request(b"GET", path, lines)
    path = chance.choice((b"/auth/refresh", b"/auth/verify", b"/auth/undo", b"/users/edit", b"/auth/register"))
    body = json.dumps(GRACE).encode() if path == b"/auth/register" else b'{"refresh_token": "1.1.AA", "otp": "x"}'
    if chance.random() < 0.3:
        chunked = (*lines, b"Content-Type: application/json", b"Transfer-Encoding: chunked")
        return request(b"POST", path, chunked, b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    return request(b"POST", path, (*lines, b"Content-Type: application/json", b"Content-Length: %d" % len(body)), body)


def request(method: bytes, target: bytes, headers: tuple[bytes, ...], body: bytes = b"", end: bytes = b"\r\n") -> bytes:
    return end.join((b"%s %s HTTP/1.1" % (method, target), *headers, b"", body))


def _changed(chance: Random, kind: str | None = None) -> tuple[str, bytes]:
    kind = kind or chance.choice([*CHANGES])
    return kind, CHANGES[kind](chance, good(chance))


def _delivery(chance: Random, sent: bytes) -> tuple[tuple[bytes, ...], float, bool]:
    if chance.random() < 0.7 or len(sent) < 2:
        return (sent,), 0, chance.random() < 0.05
    cuts = sorted(chance.sample(range(1, len(sent)), min(len(sent) - 1, chance.randint(1, 12))))
    pieces = tuple(sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True))
    return pieces, chance.choice((0, 0.01, 0.1)), chance.random() < 0.2


def _bits(chance: Random, raw: bytes) -> bytes:
    changed = bytearray(raw)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _slice(chance: Random, raw: bytes) -> tuple[bytes, bytes, bytes]:
    start = chance.randrange(len(raw))
    end = min(len(raw), start + chance.choice((1, 2, 5, 50)))
    return raw[:start], raw[start:end], raw[end:]


def _without(chance: Random, raw: bytes) -> bytes:
    before, _, after = _slice(chance, raw)
    return before + after


def _again(chance: Random, raw: bytes) -> bytes:
    before, part, after = _slice(chance, raw)
    return before + part * chance.choice((2, 3, 1000)) + after


def _noise(chance: Random, raw: bytes) -> bytes:
    before, _, after = _slice(chance, raw)
    return before + chance.choice((b"\0", b"\r", b"\n", b"\xff", b" ", b"\t", chance.randbytes(20))) + after


def _with_line(line: bytes, raw: bytes) -> bytes:
    head, _, rest = raw.partition(b"\r\n")
    return head + b"\r\n" + line + b"\r\n" + rest


def _length(chance: Random, raw: bytes) -> bytes:
    return _with_line(b"Content-Length: " + chance.choice(LENGTHS), raw)


def _coding(chance: Random, raw: bytes) -> bytes:
    return _with_line(b"Transfer-Encoding: " + chance.choice(CODINGS), raw)


def _chunks(chance: Random, _raw: bytes) -> bytes:
    lines = (b"Host: a", b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    parts = [
        chance.choice(CHUNK_SIZES) + b"\r\n12345" + chance.choice((b"\r\n", b"\n", b""))
        for _ in range(chance.randint(1, 4))
    ]
    trailer = chance.choice(
        (b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\n", b"0\n\n", b"0\r\n" + b"X: y\r\n" * 500 + b"\r\n")
    )
    return request(b"POST", b"/auth/refresh", lines, b"".join(parts) + trailer)


def _target(chance: Random, _raw: bytes) -> bytes:
    return request(chance.choice(METHODS), chance.choice(TARGETS), (b"Host: evil.example",))


def _many(chance: Random, raw: bytes) -> bytes:
    line = b"X-%d: y\r\n"
    return _with_line(
        b"".join(line % number for number in range(chance.choice((90, 101, 1000, 20_000)))) + b"X: y", raw
    )


def _long(chance: Random, raw: bytes) -> bytes:
    return _with_line(b"X: " + b"a" * chance.choice((8_000, 70_000, 500_000, 2_000_000)), raw)


CHANGES: dict[str, Change] = {
    "bits": _bits,
    "truncated": lambda chance, raw: raw[: chance.randrange(len(raw))],
    "something left out": _without,
    "something again": _again,
    "noise within": _noise,
    "bare line feeds": lambda _, raw: raw.replace(b"\r\n", b"\n"),
    "bare carriage returns": lambda _, raw: raw.replace(b"\r\n", b"\r"),
    "a length": _length,
    "a coding": _coding,
    "two of both": lambda chance, raw: _length(chance, _coding(chance, _length(chance, raw))),
    "chunks": _chunks,
    "an odd target": _target,
    "an odd header": lambda chance, raw: _with_line(chance.choice(HEADERS), raw),
    "many headers": _many,
    "a long header": _long,
    "an odd version": lambda chance, raw: raw.replace(
        b"HTTP/1.1", chance.choice((b"HTTP/1.0", b"HTTP/9.9", b"http/1.1", b"HTTP/1.1 "))
    ),
    "nothing wrong": lambda _, raw: raw,
}
