"""A server process with nginx in front, and raw connections to both."""

import socket
from contextlib import suppress
from dataclasses import dataclass

from tests.e2e.processes import RunningProcess

HOST_HEADER = b"Host: auth.example.com\r\n"
JSON_HEADER = b"Content-Type: application/json\r\n"
HELLO_REQUEST = b"GET /hello HTTP/1.1\r\n" + HOST_HEADER + b"Connection: close\r\n\r\n"
TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True)
class ServerUnderTest:
    """A server process, its port, and the port of the nginx in front of it."""

    process: RunningProcess
    port: int
    nginx_port: int

    def exchange(self, data: bytes, port: int | None = None) -> bytes:
        """Send bytes and return everything received until the connection closes."""
        with self.connect(port) as connection, suppress(OSError):
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        return b""

    def connect(self, port: int | None = None) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port or self.port), TIMEOUT_SECONDS)

    def is_serving(self, port: int | None = None) -> bool:
        """Return True if the server responds to other clients."""
        return self.exchange(HELLO_REQUEST, port).endswith(b'{"message":"Hello It Works"}')


def build_post(path: str, *headers: bytes, body: bytes = b"") -> bytes:
    """Build a POST request with exactly these headers and this body."""
    return (
        b"POST %s HTTP/1.1\r\n" % path.encode()
        + HOST_HEADER
        + JSON_HEADER
        + b"".join(header + b"\r\n" for header in headers)
        + b"\r\n"
        + body
    )
