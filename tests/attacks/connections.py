"""A served process, nginx before it, and connections that say whatever an attacker likes."""

import socket
from contextlib import suppress
from dataclasses import dataclass

from tests.journeys.processes import Running

HOST = b"Host: auth.example.com\r\n"
JSON = b"Content-Type: application/json\r\n"
HELLO = b"GET /hello HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
PATIENCE = 3.0  # seconds


@dataclass(frozen=True)
class Served:
    """A server by its ports: its own, and that of the nginx before it."""

    running: Running
    port: int
    nginx: int

    def says(self, raw: bytes, port: int | None = None) -> bytes:
        """Everything that comes back until the connection is closed."""
        with self.connected(port) as connection, suppress(OSError):
            connection.sendall(raw)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        return b""

    def connected(self, port: int | None = None) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port or self.port), PATIENCE)

    def answers(self, port: int | None = None) -> bool:
        """Whether it serves others."""
        return self.says(HELLO, port).endswith(b'{"message":"Hello It Works"}')


def post(path: str, *headers: bytes, body: bytes = b"") -> bytes:
    """A POST that says this and no more."""
    return (
        b"POST %s HTTP/1.1\r\n" % path.encode() + HOST + JSON + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + body
    )
