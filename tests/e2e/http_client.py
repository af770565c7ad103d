"""An HTTP client for a running server: real connections, no access to the application."""

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

from tests.support.users import code_in_mail

MAX_IDLE_SECONDS = 5.0  # the server closes idle connections after 10 seconds
# A generator would raise if two threads advanced it concurrently.
CLIENT_IPS: Iterator[str] = map(str, map(IPv4Address, count(int(IPv4Address("198.18.0.1")))))


@dataclass(frozen=True)
class HttpResponse:
    status: int
    headers: HTTPMessage
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    def expect(self, status: int = 200) -> Any:
        """Assert the status and return the parsed body."""
        assert self.status == status, f"{self.status}: {self.raw!r}"
        return self.body


class HttpClient:
    """A client with a persistent connection, behind a proxy that forwards this client IP, or direct if None."""

    def __init__(self, port: int, network: str | None = None) -> None:
        self.port = port
        self._network = {"X-Forwarded-For": network} if network else {}
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)
        self._used_at = time.monotonic()

    def use_client_ip(self, network: str) -> "HttpClient":
        """Keep the connection, but forward a different client IP from now on."""
        self._network = {"X-Forwarded-For": network}
        return self

    def get(self, path: str, token: str = "") -> HttpResponse:
        return self._request("GET", path, None, token)

    def post(self, path: str, body: Any = None, token: str = "") -> HttpResponse:
        return self._request("POST", path, body, token)

    def post_with_retries(self, path: str, body: Any) -> HttpResponse:
        """Repeat a request that a slow machine answers with 503, after the time in `Retry-After`."""
        for _ in range(30):
            response = self.post(path, body)
            if response.status != 503:
                break
            time.sleep(int(response.headers["Retry-After"]))
        return response

    def delete(self, path: str, token: str = "") -> HttpResponse:
        return self._request("DELETE", path, None, token)

    def code_for(self, email: str) -> str:
        """Return the code of the newest mail to this email address in the development mailbox."""
        for _ in range(500):
            mails = self.get("/dev/mailbox.json").expect()["mails"]
            if newest := next((mail for mail in mails if mail["to"] == email), None):
                return code_in_mail(newest)
            time.sleep(0.02)
        raise AssertionError(f"no mail to {email}")

    def is_ready(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return self.get("/health/ready").status == 200
        self.close()
        return False

    def close(self) -> None:
        self._connection.close()

    def _request(self, method: str, path: str, body: Any, token: str) -> HttpResponse:
        self.send(method, path, body, token)
        return self.receive()

    def send(self, method: str, path: str, body: Any, token: str = "") -> None:
        """Send a request whose response `receive` reads."""
        headers = dict(self._network)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        payload = None if body is None else json.dumps(body).encode()
        if time.monotonic() - self._used_at > MAX_IDLE_SECONDS:
            self.close()
        self._connection.request(method, path, payload, headers)

    def receive(self) -> HttpResponse:
        raw_response = self._connection.getresponse()
        response = HttpResponse(raw_response.status, raw_response.headers, raw_response.read())
        self._used_at = time.monotonic()
        return response
