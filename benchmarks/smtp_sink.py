"""An SMTP server in its own process that accepts every mail immediately and records its arrival time."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection

from tests.servers import free_port

MESSAGE_ID = re.compile(rb"^Message-ID: *(\S+)", re.IGNORECASE | re.MULTILINE)
END = b"\r\n.\r\n"
SMTP_REPLIES = {
    b"EHLO": b"250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    b"DATA": b"354 Go on\r\n",
    b"QUIT": b"221 Bye\r\n",
}

Arrival = tuple[float, str]  # time.monotonic() and the Message-ID


@dataclass(frozen=True)
class SmtpSinkProcess:
    """The port of the SMTP sink, and a pipe that returns the arrivals."""

    port: int
    _pipe: "Connection[object, list[Arrival]]"

    def arrivals(self) -> list[Arrival]:
        self._pipe.send(None)
        return self._pipe.recv()


@contextmanager
def running_smtp_sink() -> Iterator[SmtpSinkProcess]:
    """Run the SMTP sink, and yield once it listens."""
    context, port = get_context("spawn"), free_port()
    parent_pipe, child_pipe = context.Pipe()
    process = context.Process(target=_serve, args=(port, child_pipe), daemon=True)
    process.start()
    sink = SmtpSinkProcess(port, parent_pipe)
    try:
        sink.arrivals()  # returns once the server listens
        yield sink
    finally:
        process.terminate()
        process.join()


def _serve(port: int, pipe: "Connection[list[Arrival], object]") -> None:
    arrivals: list[Arrival] = []

    def report_arrivals() -> None:
        while True:
            pipe.recv()
            pipe.send(list(arrivals))

    async def serve_forever() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _SmtpProtocol(arrivals), "127.0.0.1", port)
        threading.Thread(target=report_arrivals, daemon=True).start()
        await server.serve_forever()

    asyncio.run(serve_forever())


class _SmtpProtocol(asyncio.Protocol):
    """The part of SMTP that a server needs to accept all mail."""

    def __init__(self, arrivals: list[Arrival]) -> None:
        self._arrivals = arrivals
        self._unread = b""
        self._in_message = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, received: bytes) -> None:
        self._unread += received
        while (terminator := END if self._in_message else b"\r\n") in self._unread:
            data, _, self._unread = self._unread.partition(terminator)
            self._transport.write(self._store_message(data) if self._in_message else self._handle_command(data))

    def _handle_command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        self._in_message = verb == b"DATA"
        return SMTP_REPLIES.get(verb, b"250 OK\r\n")

    def _store_message(self, message: bytes) -> bytes:
        sink = MESSAGE_ID.search(message)
        self._arrivals.append((time.monotonic(), sink[1].decode() if sink else ""))
        self._in_message = False
        return b"250 Accepted\r\n"
