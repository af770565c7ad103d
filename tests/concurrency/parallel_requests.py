"""Send many requests concurrently, over kept-alive connections.

All bytes but the last of each request are sent first. The last bytes follow within a millisecond or two, before any
response is read.
"""

import json
import socket
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from tests.e2e.http_client import CLIENT_IPS, HttpResponse

MAX_IDLE = 4.0  # seconds; the server closes idle connections after 10
TIMEOUT = 30.0
BOUNDARY = "x-burst"
OVERLOADED = 503  # accepted in any test: load shedding grants nothing


def new_client_ip() -> str:
    """Return an IP that sent no request yet."""
    return next(CLIENT_IPS)


@dataclass(frozen=True)
class PreparedRequest:
    """A request, from its own IP by default."""

    method: str
    path: str
    body: Any = None
    token: str = ""
    client_ip: str = ""

    def to_bytes(self) -> bytes:
        """Return the bytes of the request."""
        content_type, body = self._body()
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        lines += [f"X-Forwarded-For: {self.client_ip or new_client_ip()}"]
        lines += [f"Content-Type: {content_type}"] if content_type else []
        lines += [f"Authorization: Bearer {self.token}"] if self.token else []
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _body(self) -> tuple[str, bytes]:
        if isinstance(self.body, bytes):
            header = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="avatar"; filename="me.png"\r\n\r\n'
            return f"multipart/form-data; boundary={BOUNDARY}", header.encode() + self.body + _closing_boundary()
        return ("", b"") if self.body is None else ("application/json", json.dumps(self.body).encode())


def _closing_boundary() -> bytes:
    return f"\r\n--{BOUNDARY}--\r\n".encode()


def prepare_post(path: str, body: Any = None, token: str = "", at: str = "") -> PreparedRequest:
    return PreparedRequest("POST", path, body, token, at)


def statuses(responses: Iterable[HttpResponse]) -> Counter[int]:
    return Counter(response.status for response in responses)


class ConnectionPool:
    """Connections that stay open between bursts."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._last_used: dict[socket.socket, float] = {}  # time.monotonic() of the last response

    def send_parallel(self, requests: Sequence[PreparedRequest]) -> list[HttpResponse]:
        """Send the requests concurrently and return the responses in the same order."""
        connections, messages = self._ensure_open(len(requests)), [request.to_bytes() for request in requests]
        try:
            for connection, message in zip(connections, messages, strict=True):
                connection.sendall(message[:-1])
            for connection, message in zip(connections, messages, strict=True):
                connection.sendall(message[-1:])
            return [
                self._read_response(connection, request.method)
                for connection, request in zip(connections, requests, strict=True)
            ]
        except OSError:
            self.close()  # an unread response must not be taken for that of the next request
            raise

    def send(self, request: PreparedRequest) -> HttpResponse:
        """Send one request."""
        return self.send_parallel([request])[0]

    def close(self) -> None:
        while self._last_used:
            self._last_used.popitem()[0].close()

    def _ensure_open(self, count: int) -> list[socket.socket]:
        """Return this many connections that a server process has accepted."""
        for connection in [
            connection for connection, used_at in self._last_used.items() if time.monotonic() - used_at > MAX_IDLE
        ]:
            del self._last_used[connection]
            connection.close()
        while len(self._last_used) < count:
            connection = socket.create_connection(("127.0.0.1", self._port), TIMEOUT)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(PreparedRequest("GET", "/hello").to_bytes())
            self._read_response(connection, "GET").expect()
        return list(self._last_used)[:count]

    def _read_response(self, connection: socket.socket, method: str) -> HttpResponse:
        response = HTTPResponse(connection, method=method)
        response.begin()
        result = HttpResponse(response.status, response.headers, response.read())
        self._last_used[connection] = time.monotonic()
        return result
