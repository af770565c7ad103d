"""People at the other end of a network: HTTP and nothing else."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from ipaddress import IPv4Address
from itertools import count
from typing import Any

from tests.people import code_of

IDLE = 5.0  # seconds; the server hangs up after 10
# No generator, which two threads at once may not ask.
NETWORKS: Iterator[str] = map(str, map(IPv4Address, count(int(IPv4Address("198.18.0.1")))))


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
        self._used_at = time.monotonic()

    def from_network(self, network: str) -> "Visitor":
        """The same connection, as if the proxy had it from another network from now on."""
        self._network = {"X-Forwarded-For": network}
        return self

    def get(self, path: str, token: str = "") -> Answer:
        return self._ask("GET", path, None, token)

    def post(self, path: str, body: Any = None, token: str = "") -> Answer:
        return self._ask("POST", path, body, token)

    def delete(self, path: str, token: str = "") -> Answer:
        return self._ask("DELETE", path, None, token)

    def code_for(self, email: str) -> str:
        """The code of the newest mail to this address, as the development mailbox shows it."""
        for _ in range(500):
            mails = self.get("/dev/mailbox.json").expect()["mails"]
            if found := next((mail for mail in mails if mail["to"] == email), None):
                return code_of(found)
            time.sleep(0.02)
        raise AssertionError(f"no mail to {email}")

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
        if time.monotonic() - self._used_at > IDLE:
            self.close()
        self._connection.request(method, path, sent, headers)
        response = self._connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        self._used_at = time.monotonic()
        return answer
