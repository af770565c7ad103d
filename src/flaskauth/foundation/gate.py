"""The gate between granian and the application: a body is waited for here, without a thread.

A thread that waits for a body waits as long as its sender likes; a few dozen such senders would have them all. Here an
event loop waits, and not for long; only what has arrived is given to one of the threads.
"""

import asyncio
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NoReturn, Protocol

from flaskauth.foundation.errors import BadRequest, Overloaded, Problem, TooLarge

BODY_WITHIN = 10  # seconds, and one more for each of these many bytes that have arrived:
BYTES_A_SECOND = 64 * 1024
SMALL = 64 * 1024 + 2  # bytes: what a call takes at most, and a little, so that too much is seen to be too much
LARGE = 8 * 1024 * 1024  # an upload
LARGE_AT_ONCE = 32  # uploads that a process waits for; others wait in line for so many
PLACE_WITHIN = 5  # seconds
PIECE = 1024 * 1024  # bytes of an answer without a length, before the first are sent

LOOKING = {"GET", "HEAD", "OPTIONS"}  # RFC 9110 9.2.1: safe methods
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


Head = tuple[int, list[tuple[str, str]]]


class Late(BadRequest):
    code = "bad_request"
    message = "The body did not arrive in time."


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

    def close(self) -> None:
        """There is nothing to close."""


class Gate:
    """An RSGI application around a WSGI one."""

    def __init__(self, app: Application, lookers: int, others: int) -> None:
        self.app = app
        # Whoever only looks does not wait behind a storm of sign-ins.
        self._lookers = ThreadPoolExecutor(lookers, thread_name_prefix="look")
        self._others = ThreadPoolExecutor(others, thread_name_prefix="write")
        self._places = asyncio.Semaphore(LARGE_AT_ONCE)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        body = await self._arrived(scope.headers, protocol)
        threads = self._lookers if scope.method in LOOKING else self._others
        await asyncio.get_running_loop().run_in_executor(threads, self._answer, scope, protocol, body)

    async def _arrived(self, headers: Any, protocol: Any) -> "IO[bytes] | Unread":
        """The whole body, or why it was not taken."""
        announced = headers.get("content-length")
        if announced in {None, "0"} and "transfer-encoding" not in headers:
            return BytesIO()
        most = LARGE if headers.get("content-type", "").startswith("multipart/form-data") else SMALL
        if announced and int(announced) > most:
            return Unread(TooLarge())
        body = SpooledTemporaryFile(max_size=SMALL)  # noqa: SIM115 (closed with the answer)
        try:
            await self._fill(body, protocol, most)
        except (TimeoutError, Problem) as reason:
            body.close()
            return Unread(reason if isinstance(reason, Problem) else Late())
        is_whole = not announced or body.tell() == int(announced)
        body.seek(0)
        return body if is_whole else Unread(Late())

    async def _fill(self, body: IO[bytes], protocol: Any, most: int) -> None:
        """Take what arrives, up to `most`; who sends faster may send for longer."""
        is_large = False
        try:
            async with asyncio.timeout(BODY_WITHIN) as patience:
                latest = patience.when() or 0
                async for piece in protocol:
                    body.write(piece)
                    is_large = is_large or (body.tell() > SMALL and await self._place())
                    if body.tell() >= most:
                        return
                    patience.reschedule(latest + body.tell() / BYTES_A_SECOND)
        finally:
            if is_large:
                self._places.release()

    async def _place(self) -> bool:
        """Wait for one of the places that uploads have; what is sent meanwhile waits on its way.

        Raises:
            Overloaded: none became free.
        """
        try:
            async with asyncio.timeout(PLACE_WITHIN):
                return await self._places.acquire()
        except TimeoutError:
            raise Overloaded from None

    def _answer(self, scope: Any, protocol: Any, body: "IO[bytes] | Unread") -> None:
        """In a thread: call the application, and send what it says."""
        heads: list[Head] = []
        pieces = self.app(_environ(scope, body), lambda status, headers, *_: heads.append((int(status[:3]), headers)))
        try:
            _send(protocol, heads, pieces)
        finally:
            getattr(pieces, "close", _nothing)()
            body.close()


def _send(protocol: Any, heads: list[Head], pieces: Iterable[bytes]) -> None:
    """All at once; what has no length and turns out to be long, as it comes."""
    coming = iter(pieces)
    gathered = [next(coming, b"")]  # with it at the latest the application has said how the answer begins
    status, headers = heads[-1]
    has_length = any(name.lower() == "content-length" for name, _ in headers)
    while has_length or sum(map(len, gathered)) <= PIECE:
        piece = next(coming, None)
        if piece is None:
            protocol.response_bytes(status, headers, b"".join(gathered))
            return
        gathered.append(piece)
    stream = protocol.response_stream(status, headers)
    for piece in chain(gathered, coming):
        stream.send_bytes(piece)


def _environ(scope: Any, body: "IO[bytes] | Unread") -> dict[str, Any]:
    """The request as WSGI tells it."""
    host, _, port = scope.server.rpartition(":")
    environ = {
        **BASE,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body,
    }
    for name, value in scope.headers.items():
        if "_" not in name:  # else X_Forwarded_For would be read as X-Forwarded-For, which proxies write
            key = CGI.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _nothing() -> None:
    """Closes what cannot be closed."""
