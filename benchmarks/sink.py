"""A mail server in a process of its own that takes everything at once and remembers when."""

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
SAID = {b"EHLO": b"250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n", b"DATA": b"354 Go on\r\n", b"QUIT": b"221 Bye\r\n"}

Arrival = tuple[float, str]  # when, by time.monotonic(), and the Message-ID


@dataclass(frozen=True)
class Sink:
    """Where it listens, and a way to ask what came."""

    port: int
    _pipe: "Connection[object, list[Arrival]]"

    def arrivals(self) -> list[Arrival]:
        self._pipe.send(None)
        return self._pipe.recv()


@contextmanager
def sink() -> Iterator[Sink]:
    """Running, and listening."""
    spawn, port = get_context("spawn"), free_port()
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(port, theirs), daemon=True)
    process.start()
    found = Sink(port, ours)
    try:
        found.arrivals()  # it answers once it listens
        yield found
    finally:
        process.terminate()
        process.join()


def _serve(port: int, pipe: "Connection[list[Arrival], object]") -> None:
    arrivals: list[Arrival] = []

    def tell() -> None:
        while True:
            pipe.recv()
            pipe.send(list(arrivals))

    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Conversation(arrivals), "127.0.0.1", port)
        threading.Thread(target=tell, daemon=True).start()
        await server.serve_forever()

    asyncio.run(forever())


class _Conversation(asyncio.Protocol):
    """SMTP, as far as one who takes everything needs it."""

    def __init__(self, arrivals: list[Arrival]) -> None:
        self._arrivals = arrivals
        self._unread = b""
        self._in_message = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := END if self._in_message else b"\r\n") in self._unread:
            piece, _, self._unread = self._unread.partition(end)
            self._transport.write(self._keep(piece) if self._in_message else self._obey(piece))

    def _obey(self, line: bytes) -> bytes:
        word = line[:4].upper()
        self._in_message = word == b"DATA"
        return SAID.get(word, b"250 OK\r\n")

    def _keep(self, message: bytes) -> bytes:
        found = MESSAGE_ID.search(message)
        self._arrivals.append((time.monotonic(), found[1].decode() if found else ""))
        self._in_message = False
        return b"250 Kept\r\n"
