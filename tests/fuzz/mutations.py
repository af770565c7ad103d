"""Valid and mutated HTTP requests as bytes.

Each depends only on a seed and its number, so that it can be reproduced.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.fuzz.malformed_http import CHUNK_SIZES, CODINGS, HEADERS, LENGTHS, METHODS, PREFACES, TARGETS
from tests.support.users import GRACE

Mutation = Callable[[Random, bytes], bytes]


@dataclass(frozen=True)
class Case:
    """What is sent: the chunks, the pauses between them, and whether the connection is reset afterwards."""

    number: int
    kind: str
    chunks: tuple[bytes, ...]
    pause: float = 0
    is_reset: bool = False

    @property
    def data(self) -> bytes:
        return b"".join(self.chunks)


def make_case(seed: int, number: int) -> Case:
    """Return the case with this number."""
    rng = Random(f"{seed}:{number}")
    names = [*MUTATIONS, "prefaces", "pipelined"]
    kind = rng.choice(names)
    if kind == "prefaces":
        data = rng.choice(PREFACES) + rng.randbytes(rng.choice((0, 0, 20)))
    elif kind == "pipelined":
        data = b"".join(
            _mutated_request(rng)[1] if rng.random() < 0.3 else valid_request(rng) for _ in range(rng.randint(2, 6))
        )
    else:
        kind, data = _mutated_request(rng, kind)
    return Case(number, kind, *_split_delivery(rng, data))


def valid_request(rng: Random, headers: tuple[bytes, ...] = ()) -> bytes:
    """Return a valid request."""
    forwarded = b"X-Forwarded-For: 198.18.%d.%d" % (rng.randrange(256), rng.randrange(256))
    lines = (b"Host: 127.0.0.1", forwarded, *headers)
    if rng.random() < 0.4:
        path = rng.choice(
            (b"/hello", b"/health/live", b"/countries", b"/users/profile", b"/users/activity?limit=5", b"/docs")
        )
        return build_request(b"GET", path, lines)
    path = rng.choice(
        (b"/auth/refresh", b"/auth/verify", b"/auth/revert-email-change", b"/users/edit", b"/auth/register")
    )
    body = json.dumps(GRACE).encode() if path == b"/auth/register" else b'{"refresh_token": "1.1.AA", "otp": "x"}'
    if rng.random() < 0.3:
        chunked = (*lines, b"Content-Type: application/json", b"Transfer-Encoding: chunked")
        return build_request(b"POST", path, chunked, b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    return build_request(
        b"POST", path, (*lines, b"Content-Type: application/json", b"Content-Length: %d" % len(body)), body
    )


def build_request(
    method: bytes, target: bytes, headers: tuple[bytes, ...], body: bytes = b"", end: bytes = b"\r\n"
) -> bytes:
    return end.join((b"%s %s HTTP/1.1" % (method, target), *headers, b"", body))


def _mutated_request(rng: Random, kind: str | None = None) -> tuple[str, bytes]:
    kind = kind or rng.choice([*MUTATIONS])
    return kind, MUTATIONS[kind](rng, valid_request(rng))


def _split_delivery(rng: Random, data: bytes) -> tuple[tuple[bytes, ...], float, bool]:
    if rng.random() < 0.7 or len(data) < 2:
        return (data,), 0, rng.random() < 0.05
    offsets = sorted(rng.sample(range(1, len(data)), min(len(data) - 1, rng.randint(1, 12))))
    chunks = tuple(data[start:end] for start, end in zip([0, *offsets], [*offsets, len(data)], strict=True))
    return chunks, rng.choice((0, 0.01, 0.1)), rng.random() < 0.2


def _flip_bits(rng: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _slice(rng: Random, data: bytes) -> tuple[bytes, bytes, bytes]:
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.choice((1, 2, 5, 50)))
    return data[:start], data[start:end], data[end:]


def _delete_slice(rng: Random, data: bytes) -> bytes:
    prefix, _, suffix = _slice(rng, data)
    return prefix + suffix


def _repeat_slice(rng: Random, data: bytes) -> bytes:
    prefix, part, suffix = _slice(rng, data)
    return prefix + part * rng.choice((2, 3, 1000)) + suffix


def _insert_noise(rng: Random, data: bytes) -> bytes:
    prefix, _, suffix = _slice(rng, data)
    return prefix + rng.choice((b"\0", b"\r", b"\n", b"\xff", b" ", b"\t", rng.randbytes(20))) + suffix


def _insert_header_line(line: bytes, data: bytes) -> bytes:
    request_line, _, remaining = data.partition(b"\r\n")
    return request_line + b"\r\n" + line + b"\r\n" + remaining


def _add_content_length(rng: Random, data: bytes) -> bytes:
    return _insert_header_line(b"Content-Length: " + rng.choice(LENGTHS), data)


def _add_transfer_encoding(rng: Random, data: bytes) -> bytes:
    return _insert_header_line(b"Transfer-Encoding: " + rng.choice(CODINGS), data)


def _chunked_request(rng: Random, _raw: bytes) -> bytes:
    lines = (b"Host: a", b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    parts = [
        rng.choice(CHUNK_SIZES) + b"\r\n12345" + rng.choice((b"\r\n", b"\n", b"")) for _ in range(rng.randint(1, 4))
    ]
    trailer = rng.choice(
        (b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\n", b"0\n\n", b"0\r\n" + b"X: y\r\n" * 500 + b"\r\n")
    )
    return build_request(b"POST", b"/auth/refresh", lines, b"".join(parts) + trailer)


def _odd_target(rng: Random, _raw: bytes) -> bytes:
    return build_request(rng.choice(METHODS), rng.choice(TARGETS), (b"Host: evil.example",))


def _add_many_headers(rng: Random, data: bytes) -> bytes:
    line = b"X-%d: y\r\n"
    return _insert_header_line(
        b"".join(line % number for number in range(rng.choice((90, 101, 1000, 20_000)))) + b"X: y", data
    )


def _add_long_header(rng: Random, data: bytes) -> bytes:
    return _insert_header_line(b"X: " + b"a" * rng.choice((8_000, 70_000, 500_000, 2_000_000)), data)


MUTATIONS: dict[str, Mutation] = {
    "bits": _flip_bits,
    "truncated": lambda rng, data: data[: rng.randrange(len(data))],
    "slice deleted": _delete_slice,
    "slice repeated": _repeat_slice,
    "noise inserted": _insert_noise,
    "bare line feeds": lambda _, data: data.replace(b"\r\n", b"\n"),
    "bare carriage returns": lambda _, data: data.replace(b"\r\n", b"\r"),
    "length": _add_content_length,
    "transfer encoding": _add_transfer_encoding,
    "lengths and encoding": lambda rng, data: _add_content_length(
        rng, _add_transfer_encoding(rng, _add_content_length(rng, data))
    ),
    "chunks": _chunked_request,
    "malformed target": _odd_target,
    "malformed header": lambda rng, data: _insert_header_line(rng.choice(HEADERS), data),
    "many headers": _add_many_headers,
    "long header": _add_long_header,
    "other version": lambda rng, data: data.replace(
        b"HTTP/1.1", rng.choice((b"HTTP/1.0", b"HTTP/9.9", b"http/1.1", b"HTTP/1.1 "))
    ),
    "valid": lambda _, data: data,
}
