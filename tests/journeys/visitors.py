"""People at the other end of a network: HTTP and nothing else."""

import http.client
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from ipaddress import IPv4Address
from itertools import count
from typing import Any

NETWORKS: Iterator[str] = (str(IPv4Address("198.18.0.0") + number) for number in count(1))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    def expect(self, status: int = 200) -> Any:
        """The body, when the status is the one expected."""
        assert self.status == status, f"{self.status}: {self.raw!r}"
        return self.body


class Visitor:
    """Somebody on a connection that is kept, behind a proxy that names the network (or straight from here)."""

    def __init__(self, port: int, network: str | None = None) -> None:
        self.port = port
        self._network = {"X-Forwarded-For": network} if network else {}
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def connect(self) -> None:
        self._connection.connect()

    def get(self, path: str, token: str = "") -> Answer:
        return self._ask("GET", path, None, token)

    def post(self, path: str, body: Any = None, token: str = "") -> Answer:
        return self._ask("POST", path, body, token)

    def delete(self, path: str, token: str = "") -> Answer:
        return self._ask("DELETE", path, None, token)

    def is_ready(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return self.get("/health/ready").status == 200
        self.close()
        return False

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: Any, token: str) -> Answer:
        headers = dict(self._network)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        sent = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, sent, headers)
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

