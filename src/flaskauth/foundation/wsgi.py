"""A request as WSGI tells it (PEP 3333), and the answer to it, for granian's RSGI."""

import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import IO, Any, NoReturn, Protocol

from flaskauth.foundation.errors import BadRequest, Problem

PIECE = 1024 * 1024  # bytes of an answer without a length, before the first are sent
CGI = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
BASE: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,  # an input ends where the body ends, announced or not
}

Headers = Sequence[tuple[str, str]]
Head = tuple[int, list[tuple[str, str]]]


class Application(Protocol):
    """WSGI (PEP 3333)."""

    def __call__(self, environ: dict[str, Any], start_response: Any, /) -> Iterable[bytes]: ...


class Unread:
    """Stands for a body that was not taken: whoever reads it answers with the reason."""

    def __init__(self, reason: Problem) -> None:
        self.reason = reason

    def read(self, *_size: int) -> NoReturn:
        raise self.reason

    readline = readlines = read


def environ(scope: Any, body: "IO[bytes] | Unread") -> dict[str, Any]:
    """The request, from what granian tells of it.

    Raises:
        BadRequest: a header has bytes that are no text.
    """
    host, _, port = scope.server.rpartition(":")
    told = {
        **BASE,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string.encode().decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body,
    }
    headers = scope.headers
    given = headers.items()
    # Granian leaves out in silence what is no text: one byte must not hide X-Forwarded-For.
    if not {name for name, _ in given}.issuperset(headers.keys()):
        raise BadRequest
    for name, value in given:
        if "_" not in name:  # else X_Forwarded_For would be read as X-Forwarded-For, which proxies write
            key = CGI.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
            told[key] = f"{told[key]},{value}" if key in told else value
    return told


def send(protocol: Any, heads: list[Head], pieces: Iterable[bytes], more: Headers) -> None:
    """Send it all at once; what has no length and turns out to be long, as it comes."""
    coming = iter(pieces)
    gathered = [next(coming, b"")]  # with it at the latest the application has said how the answer begins
    status, headers = heads[-1][0], [*heads[-1][1], *more]
    has_length = any(name.lower() == "content-length" for name, _ in headers)
    while has_length or sum(map(len, gathered)) <= PIECE:
        piece = next(coming, None)
        if piece is None:
            protocol.response_bytes(status, headers, b"".join(gathered))
            return
        gathered.append(piece)
    stream = protocol.response_stream(status, headers)
    try:
        for piece in chain(gathered, coming):
            stream.send_bytes(piece)
    finally:
        del stream  # it ends when it goes, and a traceback would keep it: whoever reads would wait for more
