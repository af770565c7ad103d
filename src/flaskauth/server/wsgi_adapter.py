"""Conversion between granian's RSGI and WSGI (PEP 3333)."""

import sys
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from itertools import chain
from typing import IO, Any, NoReturn, Protocol
from wsgiref.types import WSGIEnvironment

from granian.rsgi import Scope

from flaskauth.core.errors import APIError
from flaskauth.core.http.request import UNREADABLE

BUFFER_BYTES = 1024 * 1024  # bytes of a response without Content-Length that are collected before it is streamed
PROTOCOLS = {"1": "HTTP/1.0"}  # granian's version of HTTP/1.0 is "1"
CGI_NAMES = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
BASE_ENVIRON: WSGIEnvironment = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,  # the input ends with the body, with or without Content-Length
}

Headers = Sequence[tuple[str, str]]
ResponseStart = tuple[int, list[tuple[str, str]]]


class Application(Protocol):
    """A WSGI application. It may call `start_response` with a third argument and ignores the result."""

    def __call__(self, environ: WSGIEnvironment, start_response: Any, /) -> Iterable[bytes]: ...


class ResponseStream(Protocol):
    def send_bytes(self, data: bytes) -> object: ...


class HTTPProtocol(Protocol):
    """The methods of granian's RSGI protocol object that the server uses."""

    def __call__(self) -> Awaitable[bytes]: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...
    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> ResponseStream: ...


class FailedBody:
    """A `wsgi.input` for a body that was not received. Reading it raises the error, which becomes the response."""

    def __init__(self, error: APIError) -> None:
        self.error = error

    def read(self, *_size: int) -> NoReturn:
        raise self.error

    readline = readlines = read


def build_environ(scope: Scope, body: "IO[bytes] | FailedBody") -> WSGIEnvironment:
    """Return the WSGI environment of a request. A header that is not ASCII text has the value `UNREADABLE`."""
    host, _, port = scope.server.rpartition(":")
    environ = {
        **BASE_ENVIRON,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string.encode().decode("latin-1"),
        "SERVER_PROTOCOL": PROTOCOLS.get(scope.http_version) or f"HTTP/{scope.http_version}",
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body,
    }
    headers = scope.headers
    header_items = headers.items()
    # Granian omits values that are not ASCII text. The header must not seem absent: Via closes the development mailbox.
    # Of a repeated header, only such a value is missing.
    if unreadable := set(headers.keys()).difference(name for name, _ in header_items):
        header_items += [(name, UNREADABLE) for name in unreadable]
    for name, value in header_items:
        if "_" not in name:  # X_Forwarded_For would otherwise be read as X-Forwarded-For, which only proxies may set
            key = CGI_NAMES.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def send_response(
    protocol: HTTPProtocol, starts: list[ResponseStart], chunks: Iterable[bytes], extra_headers: Headers
) -> None:
    """Send the response in one piece; stream it if it has no Content-Length and exceeds `BUFFER_BYTES`.

    Args:
        starts: status and headers of each call of `start_response`; the last one counts.
    """
    iterator = iter(chunks)
    buffered = [next(iterator, b"")]  # the application calls start_response before the first chunk at the latest
    status, headers = starts[-1][0], [*starts[-1][1], *extra_headers]
    has_length = any(name.lower() == "content-length" for name, _ in headers)
    while has_length or sum(map(len, buffered)) <= BUFFER_BYTES:
        chunk = next(iterator, None)
        if chunk is None:
            protocol.response_bytes(status, headers, b"".join(buffered))
            return
        buffered.append(chunk)
    stream = protocol.response_stream(status, headers)
    try:
        for chunk in chain(buffered, iterator):
            stream.send_bytes(chunk)
    finally:
        # Deleting the stream ends the response. A traceback would keep it alive, and the client would wait for more.
        del stream
