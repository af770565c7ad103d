"""Request buffering: receive the whole body before a thread runs the request.

A thread that reads a body waits for as long as the client takes; a few dozen slow clients would occupy all threads. The
event loop receives the body here, with a timeout, and passes a complete request to a thread.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO
from wsgiref.types import WSGIEnvironment

import orjson
from granian.rsgi import Headers as RequestHeaders  # type: ignore[attr-defined]
from granian.rsgi import ProtocolClosed, Scope  # type: ignore[attr-defined]

from flaskauth.core.errors import APIError, BadRequest, InternalError, Overloaded, TooLarge, Unavailable
from flaskauth.core.http.request import request_id_from
from flaskauth.core.observability.log import get_logger
from flaskauth.core.translations import translate_body
from flaskauth.server.fast_path import Response
from flaskauth.server.thread_pool import WorkerThreads
from flaskauth.server.wsgi_adapter import (
    Application,
    FailedBody,
    Headers,
    HTTPProtocol,
    ResponseStart,
    build_environ,
    send_response,
)

BODY_TIMEOUT = 10  # seconds, plus one second for each MIN_BYTES_PER_SECOND received
MIN_BYTES_PER_SECOND = 64 * 1024
MAX_SMALL_BODY = 64 * 1024 + 2  # bytes: slightly more than the limit of JSON bodies, so that 413 is raised there
MAX_UPLOAD_BODY = 8 * 1024 * 1024  # bytes
MAX_CONCURRENT_UPLOADS = 32  # uploads received concurrently per process; others wait for UPLOAD_SLOT_TIMEOUT
UPLOAD_SLOT_TIMEOUT = 5  # seconds
# Clients that retry immediately after a 503 take CPU time from accepted requests. The 503 response is therefore delayed
# here, where it occupies no thread.
OVERLOAD_DELAY = 0.5  # seconds from the arrival of the request
MAX_DELAYED_RESPONSES = 256  # per process; more would leave too few connections for other clients

CLOSE_HEADERS = (("Connection", "close"),)
# Reads that can take seconds have threads of their own, by the beginning of the path. An export of many events computes
# for seconds; an avatar may come from a bucket that does not respond.
EXPORT_THREADS = 2
AVATAR_THREADS = 8
SLOW_READS = {"/users/export": EXPORT_THREADS, "/avatars/": AVATAR_THREADS}
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}  # RFC 9110 9.2.1: safe methods

log = get_logger(__name__)


class BodyTimeout(BadRequest):
    code = "bad_request"
    message = "The request body was not received in time."


class LoadShed(Exception):
    """A 503 response with Retry-After, to be sent after a delay."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.response = status, list(headers), body


class DelayedResponses:
    """Delay up to `max_delayed` responses at the same time; do not delay further ones.

    Args:
        seconds: the time between a request and its response. What a request has already waited counts.
    """

    def __init__(self, seconds: float, max_delayed: int) -> None:
        self._seconds, self._free_slots = seconds, max_delayed

    async def wait(self, elapsed: float = 0) -> None:
        """Delay a response whose request arrived `elapsed` seconds ago."""
        if self._free_slots > 0:
            self._free_slots -= 1
            try:
                await asyncio.sleep(self._seconds - elapsed)
            finally:
                self._free_slots += 1


class RequestBuffer:
    """An RSGI application that buffers requests for a WSGI application.

    Args:
        threads: the number of threads for safe methods, so that reads do not wait behind a burst of sign-ins, and of
            those for all other methods.
        headers: called with the Origin of a request; returns the headers of an error response that is sent without the
            application.
        on_error: called with the code of each such error.
        is_draining: returns True during shutdown; responses then close the connection (RFC 9112 section 9.6).
        fast_path: returns the response to a request, or None to pass it to the application in a thread.
    """

    def __init__(
        self,
        app: Application,
        threads: tuple[int, int],
        headers: Callable[[str], Headers],
        on_error: Callable[[str], object] | None = None,
        is_draining: Callable[[], bool] = bool,
        fast_path: Callable[[WSGIEnvironment], Awaitable[Response | None]] | None = None,
    ) -> None:
        self.app = app
        self._on_error = on_error or _do_nothing
        self._is_draining, self._fast_path = is_draining, fast_path
        self._slow_readers = {path: WorkerThreads(threads, "slow-reader") for path, threads in SLOW_READS.items()}
        self._readers, self._writers = WorkerThreads(threads[0], "reader"), WorkerThreads(threads[1], "writer")
        self._headers = headers
        self._upload_slots = asyncio.Semaphore(MAX_CONCURRENT_UPLOADS)
        self._delayed_responses = DelayedResponses(OVERLOAD_DELAY, MAX_DELAYED_RESPONSES)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Handle a request."""
        headers, started_at = scope.headers, time.monotonic()
        content_length = None if "transfer-encoding" in headers else headers.get("content-length", "0")
        try:
            if content_length == "0":
                await self._handle(scope, protocol, BytesIO())
            elif content_length and int(content_length) <= MAX_SMALL_BODY:
                await self._handle(scope, protocol, await _receive_small_body(protocol, int(content_length)))
            else:
                async with self._receive_body(headers, protocol) as body:
                    await self._handle(scope, protocol, body)
        except LoadShed as load_shed:
            await self._delayed_responses.wait(time.monotonic() - started_at)
            protocol.response_bytes(*load_shed.response)
        except APIError as error:
            self._send_error(scope, protocol, error)
        except Exception as error:
            log.error("unhandled_exception", exc_info=error)
            self._send_error(scope, protocol, InternalError())

    async def _handle(self, scope: Scope, protocol: HTTPProtocol, body: "IO[bytes] | FailedBody") -> None:
        environ = build_environ(scope, body)
        response = await self._fast_path(environ) if self._fast_path else None
        if response is None:
            await self._select_threads(scope).run(self._respond, environ, protocol)
            return
        status, headers, content = response
        protocol.response_bytes(status, [*headers, *CLOSE_HEADERS] if self._is_draining() else headers, content)

    def _select_threads(self, scope: Scope) -> WorkerThreads:
        if scope.method not in SAFE_METHODS:
            return self._writers
        return next(
            (threads for path, threads in self._slow_readers.items() if scope.path.startswith(path)), self._readers
        )

    def _send_error(self, scope: Scope, protocol: HTTPProtocol, error: APIError) -> None:
        """Count and log an error, and send its response, which the application does not create."""
        request_id = request_id_from({"HTTP_X_REQUEST_ID": scope.headers.get("x-request-id") or ""})
        accept_language = scope.headers.get("accept-language") or ""
        body, language_headers = translate_body(error.to_dict(request_id), accept_language)
        headers = {
            **dict(self._headers(scope.headers.get("origin", ""))),
            **language_headers,
            **error.headers,
            "Content-Type": "application/json",
            "X-Request-ID": request_id,
        }
        self._on_error(error.code)
        log.warning("request_rejected", method=scope.method, status=error.status, request_id=request_id)
        with suppress(Exception):  # a response has already started, or the client has disconnected
            protocol.response_bytes(error.status, list(headers.items()), orjson.dumps(body))

    @asynccontextmanager
    async def _receive_body(
        self, request_headers: RequestHeaders, protocol: HTTPProtocol
    ) -> AsyncIterator["IO[bytes] | FailedBody"]:
        """Yield the whole body, or a `FailedBody` with the reason why it was not received."""
        content_length = request_headers.get("content-length")
        is_upload = request_headers.get("content-type", "").lower().startswith("multipart/form-data")
        max_bytes = MAX_UPLOAD_BODY if is_upload else MAX_SMALL_BODY
        if content_length and int(content_length) > max_bytes:
            yield FailedBody(TooLarge())
            return
        with SpooledTemporaryFile(max_size=MAX_SMALL_BODY) as body:
            # An upload keeps its slot until its response is sent, as its file uses disk space until then.
            async with AsyncExitStack() as slots:
                try:
                    await self._receive_into(body, protocol, max_bytes, slots)
                except (TimeoutError, OSError, APIError) as error:
                    yield FailedBody(_error_for(error))
                    return
                is_complete = not content_length or body.tell() == int(content_length)
                body.seek(0)
                yield body if is_complete else FailedBody(BodyTimeout())

    async def _receive_into(
        self, body: IO[bytes], protocol: HTTPProtocol, max_bytes: int, slots: AsyncExitStack
    ) -> None:
        """Receive up to `max_bytes`, with a timeout that grows with the number of bytes received."""
        has_slot = False
        async with asyncio.timeout(BODY_TIMEOUT) as timeout:
            base_deadline = timeout.when() or 0
            async for chunk in protocol:
                body.write(chunk)
                if body.tell() > MAX_SMALL_BODY and not has_slot:
                    await slots.enter_async_context(self._upload_slot())
                    has_slot = True
                if body.tell() >= max_bytes:
                    return
                timeout.reschedule(base_deadline + body.tell() / MIN_BYTES_PER_SECOND)

    @asynccontextmanager
    async def _upload_slot(self) -> AsyncIterator[None]:
        """Hold one of the upload slots. TCP flow control stops the client while this waits for a slot.

        Raises:
            Overloaded: no slot became free within `UPLOAD_SLOT_TIMEOUT`.
        """
        try:
            async with asyncio.timeout(UPLOAD_SLOT_TIMEOUT):
                await self._upload_slots.acquire()
        except TimeoutError:
            raise Overloaded from None
        try:
            yield
        finally:
            self._upload_slots.release()

    def _respond(self, environ: WSGIEnvironment, protocol: HTTPProtocol) -> None:
        """Call the application and send its response. This runs in a thread.

        Raises:
            LoadShed: the response is a 503 that must be delayed.
        """
        starts: list[ResponseStart] = []
        close_headers = CLOSE_HEADERS if self._is_draining() else ()
        chunks = self.app(environ, lambda status, headers, *_: starts.append((int(status[:3]), headers)))
        try:
            if starts and _is_load_shed(*starts[-1]):
                status, headers = starts[-1]
                raise LoadShed(status, (*headers, *close_headers), b"".join(chunks))
            send_response(protocol, starts, chunks, close_headers)
        finally:
            getattr(chunks, "close", _do_nothing)()


async def _receive_small_body(protocol: HTTPProtocol, content_length: int) -> "BytesIO | FailedBody":
    """Receive the body of a typical request in one piece, which needs fewer event loop iterations than chunks."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT + content_length / MIN_BYTES_PER_SECOND):
            body = await protocol()
    except (TimeoutError, ProtocolClosed):
        return FailedBody(BodyTimeout())
    return BytesIO(body)


def _is_load_shed(status: int, headers: Headers) -> bool:
    """Return True for a 503 response with Retry-After."""
    return status == Overloaded.status and "Retry-After" in dict(headers)


def _error_for(error: Exception) -> APIError:
    """Return the API error for a body that was not received. An `OSError` is a full disk."""
    if isinstance(error, APIError):
        return error
    return BodyTimeout() if isinstance(error, TimeoutError) else Unavailable()


def _do_nothing(*_args: str) -> None:
    """Serve as default for a missing callback or `close` method."""
