"""The gate between granian and the application: a body is waited for here, without a thread.

A thread that waits for a body waits as long as its sender likes; a few dozen such senders would have them all. Here an
event loop waits, and not for long; only what has arrived is given to one of the threads.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from io import BytesIO
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NoReturn, Protocol

import orjson
import structlog

from flaskauth.foundation.errors import BadRequest, InternalError, Overloaded, Problem, TooLarge, Unavailable
from flaskauth.foundation.ids import new_secret_id
from flaskauth.foundation.lanes import Lane

BODY_WITHIN = 10  # seconds, and one more for each of these many bytes that have arrived:
BYTES_A_SECOND = 64 * 1024
SMALL = 64 * 1024 + 2  # bytes: what a call takes at most, and a little, so that too much is seen to be too much
LARGE = 8 * 1024 * 1024  # an upload
LARGE_AT_ONCE = 32  # uploads that a process waits for; others wait in line for so many
PLACE_WITHIN = 5  # seconds
PIECE = 1024 * 1024  # bytes of an answer without a length, before the first are sent

NO_BODY = {None, "0"}  # as a length
LAST = (("Connection", "close"),)
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


Headers = Sequence[tuple[str, str]]
Head = tuple[int, list[tuple[str, str]]]

log = structlog.get_logger(__name__)


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


class Gate:
    """An RSGI application around a WSGI one.

    Arguments:
        lookers, others: threads for safe methods, so that whoever only looks does not wait behind a storm of sign-ins,
            and for the rest.
        headers: of what is answered here, without the application.
        told: is called with the code of each refusal that is given here.
        is_ending: whether clients are to go elsewhere; each is told so with its answer (RFC 9112 9.6).
    """

    def __init__(
        self,
        app: Application,
        lookers: int,
        others: int,
        headers: Headers,
        told: Callable[[str], object] | None = None,
        is_ending: Callable[[], bool] = bool,
    ) -> None:
        self.app = app
        self._told = told or _nothing
        self._is_ending = is_ending
        self._lookers, self._others = Lane(lookers, "look"), Lane(others, "write")
        self._headers = headers
        self._places = asyncio.Semaphore(LARGE_AT_ONCE)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        lane = self._lookers if scope.method in LOOKING else self._others
        headers = scope.headers
        try:
            if headers.get("content-length") in NO_BODY and "transfer-encoding" not in headers:
                await lane.run(self._answer, scope, protocol, BytesIO())
            else:
                async with self._body(headers, protocol) as body:
                    await lane.run(self._answer, scope, protocol, body)
        except Problem as problem:
            self._refuse(protocol, problem)
        except Exception as error:
            log.error("accident", exc_info=error)
            self._refuse(protocol, InternalError())

    def _refuse(self, protocol: Any, problem: Problem) -> None:
        """Where the application is not asked, or could not answer; what it has begun to say stays as it is."""
        name = new_secret_id().hex()
        headers = {**dict(self._headers), **problem.headers, "Content-Type": "application/json", "X-Request-ID": name}
        self._told(problem.code)
        with suppress(Exception):
            protocol.response_bytes(problem.status, list(headers.items()), orjson.dumps(problem.told(name)))

    @asynccontextmanager
    async def _body(self, headers: Any, protocol: Any) -> AsyncIterator["IO[bytes] | Unread"]:
        """The whole body, or why it was not taken."""
        announced = headers.get("content-length")
        is_upload = headers.get("content-type", "").lower().startswith("multipart/form-data")
        most = LARGE if is_upload else SMALL
        if announced and int(announced) > most:
            yield Unread(TooLarge())
            return
        with SpooledTemporaryFile(max_size=SMALL) as body:
            # An upload keeps its place until it is answered: until then it lies on the disk.
            async with AsyncExitStack() as places:
                try:
                    await self._fill(body, protocol, most, places)
                except (TimeoutError, OSError, Problem) as reason:
                    yield Unread(_reason(reason))
                    return
                is_whole = not announced or body.tell() == int(announced)
                body.seek(0)
                yield body if is_whole else Unread(Late())

    async def _fill(self, body: IO[bytes], protocol: Any, most: int, places: AsyncExitStack) -> None:
        """Take what arrives, up to `most`; who sends faster may send for longer."""
        has_place = False
        async with asyncio.timeout(BODY_WITHIN) as patience:
            latest = patience.when() or 0
            async for piece in protocol:
                body.write(piece)
                if body.tell() > SMALL and not has_place:
                    await places.enter_async_context(self._place())
                    has_place = True
                if body.tell() >= most:
                    return
                patience.reschedule(latest + body.tell() / BYTES_A_SECOND)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of the places that uploads have; what is sent while it is waited for waits on its way.

        Raises:
            Overloaded: none became free.
        """
        try:
            async with asyncio.timeout(PLACE_WITHIN):
                await self._places.acquire()
        except TimeoutError:
            raise Overloaded from None
        try:
            yield
        finally:
            self._places.release()

    def _answer(self, scope: Any, protocol: Any, body: "IO[bytes] | Unread") -> None:
        """In a thread: call the application, and send what it says.

        Raises:
            BadRequest: a header has bytes that are no text.
        """
        heads: list[Head] = []
        pieces = self.app(_environ(scope, body), lambda status, headers, *_: heads.append((int(status[:3]), headers)))
        try:
            _send(protocol, heads, pieces, LAST if self._is_ending() else ())
        finally:
            getattr(pieces, "close", _nothing)()


def _reason(why: Exception) -> Problem:
    """What a body that was not taken is answered with; a full disk takes none."""
    if isinstance(why, Problem):
        return why
    return Late() if isinstance(why, TimeoutError) else Unavailable()


def _send(protocol: Any, heads: list[Head], pieces: Iterable[bytes], more: Headers) -> None:
    """All at once; what has no length and turns out to be long, as it comes."""
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
    for piece in chain(gathered, coming):
        stream.send_bytes(piece)


def _environ(scope: Any, body: "IO[bytes] | Unread") -> dict[str, Any]:
    """The request as WSGI tells it."""
    host, _, port = scope.server.rpartition(":")
    environ = {
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
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _nothing(*_told: str) -> None:
    """Closes what cannot be closed; tells nobody."""
