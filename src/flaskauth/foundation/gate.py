"""The gate between granian and the application: a body is waited for here, without a thread.

A thread that waits for a body waits as long as its sender likes; a few dozen such senders would have them all. Here an
event loop waits, and not for long; only what has arrived is given to one of the threads.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import orjson
import structlog
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

from flaskauth.foundation.errors import BadRequest, InternalError, Overloaded, Problem, TooLarge, Unavailable
from flaskauth.foundation.ids import new_secret_id
from flaskauth.foundation.lanes import Lane
from flaskauth.foundation.wsgi import Application, Head, Headers, Unread, environ, send

BODY_WITHIN = 10  # seconds, and one more for each of these many bytes that have arrived:
BYTES_A_SECOND = 64 * 1024
SMALL = 64 * 1024 + 2  # bytes: what a call takes at most, and a little, so that too much is seen to be too much
LARGE = 8 * 1024 * 1024  # an upload
LARGE_AT_ONCE = 32  # uploads that a process waits for; others wait in line for so many
PLACE_WITHIN = 5  # seconds
# Whoever is sent away and comes again at once takes the processor from those whose turn it is. So that answer waits,
# here, where it costs no thread.
HELD_FOR = 0.5  # seconds
MOST_HELD = 256  # answers of a process; more would leave others too few of its connections

LAST = (("Connection", "close"),)
LOOKING = {"GET", "HEAD", "OPTIONS"}  # RFC 9110 9.2.1: safe methods

log = structlog.get_logger(__name__)


class Late(BadRequest):
    code = "bad_request"
    message = "The body did not arrive in time."


class SentAway(Exception):
    """An answer that tells somebody to come again later, and is to be held first."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.answer = status, list(headers), body


class Hold:
    """Has so many wait for so many seconds; whoever comes beside them does not wait."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._free = seconds, most

    async def out(self) -> None:
        if self._free > 0:
            self._free -= 1
            try:
                await asyncio.sleep(self._seconds)
            finally:
                self._free += 1


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
        self._hold = Hold(HELD_FOR, MOST_HELD)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        lane = self._lookers if scope.method in LOOKING else self._others
        headers = scope.headers
        announced = None if "transfer-encoding" in headers else headers.get("content-length", "0")
        try:
            if announced == "0":
                await lane.run(self._answer, scope, protocol, BytesIO())
            elif announced and int(announced) <= SMALL:
                await lane.run(self._answer, scope, protocol, await _small_body(protocol, int(announced)))
            else:
                async with self._body(headers, protocol) as body:
                    await lane.run(self._answer, scope, protocol, body)
        except SentAway as away:
            await self._hold.out()
            protocol.response_bytes(*away.answer)
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
            SentAway
        """
        heads: list[Head] = []
        last = LAST if self._is_ending() else ()
        pieces = self.app(environ(scope, body), lambda status, headers, *_: heads.append((int(status[:3]), headers)))
        try:
            if heads and _sends_away(*heads[-1]):
                status, headers = heads[-1]
                raise SentAway(status, (*headers, *last), b"".join(pieces))
            send(protocol, heads, pieces, last)
        finally:
            getattr(pieces, "close", _nothing)()


async def _small_body(protocol: Any, announced: int) -> "BytesIO | Unread":
    """The body of nearly every call, taken as one: piece by piece, it would go through the loop more often."""
    try:
        async with asyncio.timeout(BODY_WITHIN + announced / BYTES_A_SECOND):
            body = await protocol()
    except (TimeoutError, ProtocolClosed):
        return Unread(Late())
    return BytesIO(body)


def _sends_away(status: int, headers: Headers) -> bool:
    """Whether it tells when to come again. A probe is not told, and its answer not held."""
    return status == Overloaded.status and "Retry-After" in dict(headers)


def _reason(why: Exception) -> Problem:
    """What a body that was not taken is answered with; a full disk takes none."""
    if isinstance(why, Problem):
        return why
    return Late() if isinstance(why, TimeoutError) else Unavailable()


def _nothing(*_told: str) -> None:
    """Closes what cannot be closed; tells nobody."""
