"""Many requests at one moment: each on a connection that is open and kept, all there but for the last byte.

The last bytes then go out one after the other, within a millisecond or two, before any answer is read.
"""

import json
import socket
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from tests.journeys.visitors import NETWORKS, Answer

IDLE = 4.0  # seconds; the server hangs up after 10
TIMEOUT = 30.0
BOUNDARY = "x-burst"
BUSY = 503  # whoever comes too many at once may be sent away, which lets nobody in


def fresh_network() -> str:
    """An address that nobody asked from yet."""
    return next(NETWORKS)


@dataclass(frozen=True)
class Ask:
    """A request, from a network of its own unless told."""

    method: str
    path: str
    body: Any = None
    token: str = ""
    at: str = ""

    def wire(self) -> bytes:
        """It as it is sent."""
        kind, body = self._body()
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        lines += [f"X-Forwarded-For: {self.at or fresh_network()}"]
        lines += [f"Content-Type: {kind}"] if kind else []
        lines += [f"Authorization: Bearer {self.token}"] if self.token else []
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _body(self) -> tuple[str, bytes]:
        if isinstance(self.body, bytes):
            head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="avatar"; filename="me.png"\r\n\r\n'
            return f"multipart/form-data; boundary={BOUNDARY}", head.encode() + self.body + _end()
        return ("", b"") if self.body is None else ("application/json", json.dumps(self.body).encode())


def _end() -> bytes:
    return f"\r\n--{BOUNDARY}--\r\n".encode()


def post(path: str, body: Any = None, token: str = "", at: str = "") -> Ask:
    return Ask("POST", path, body, token, at)


def statuses(answers: Iterable[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


class Connections:
    """Kept open between bursts."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._used: dict[socket.socket, float] = {}  # when each was used last

    def burst(self, asks: Sequence[Ask]) -> list[Answer]:
        """The answers, in the order of the requests."""
        connections, wires = self._at_least(len(asks)), [ask.wire() for ask in asks]
        try:
            for connection, wire in zip(connections, wires, strict=True):
                connection.sendall(wire[:-1])
            for connection, wire in zip(connections, wires, strict=True):
                connection.sendall(wire[-1:])
            return [self._answer(connection, ask.method) for connection, ask in zip(connections, asks, strict=True)]
        except OSError:
            self.close()  # an answer that was not read is nobody else's
            raise

    def ask(self, ask: Ask) -> Answer:
        """One request alone."""
        return self.burst([ask])[0]

    def close(self) -> None:
        while self._used:
            self._used.popitem()[0].close()

    def _at_least(self, number: int) -> list[socket.socket]:
        """So many connections that a server process has taken already."""
        for connection in [one for one, used_at in self._used.items() if time.monotonic() - used_at > IDLE]:
            del self._used[connection]
            connection.close()
        while len(self._used) < number:
            connection = socket.create_connection(("127.0.0.1", self._port), TIMEOUT)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(Ask("GET", "/hello").wire())
            self._answer(connection, "GET").expect()
        return list(self._used)[:number]

    def _answer(self, connection: socket.socket, method: str) -> Answer:
        response = HTTPResponse(connection, method=method)
        response.begin()
        answer = Answer(response.status, response.headers, response.read())
        self._used[connection] = time.monotonic()
        return answer
