"""A client of a peer, which logs users in to obtain the tokens that a load needs."""

import http.client
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.environment import PASSWORD
from benchmarks.wrk import JSON_HEADERS, Load

USER_COUNT = 10_000
KNOWN_EMAIL = "grace@KNOWN@@mail.example.com"  # one of the existing users
ACCESS_TOKEN_COUNT, REFRESH_TOKEN_COUNT = 16, 40  # refresh tokens are single-use, so there are more than connections
CONCURRENT_LOGINS = 4


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class PeerClient:
    """Sends requests to a server on this port."""

    port: int
    SETTINGS: ClassVar[Mapping[str, str]] = {
        "USER_COUNT": str(USER_COUNT + 1),  # numbered from 0; the loads count from 1
        "EMAIL": KNOWN_EMAIL.replace("@KNOWN@", "{}"),
        "PASSWORD": PASSWORD,
    }

    def is_ready(self) -> bool:
        try:
            return self.request("GET", "/").status < 500
        except (OSError, http.client.HTTPException):
            return False

    def request(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Response(response.status, dict(response.getheaders()), response.read())

    def collect_tokens(self, count: int, login_load: Load, read_token: Callable[[Response], str]) -> list[str]:
        """Log in this number of users and return a token from each response."""

        def log_in(number: int) -> str:
            body = (login_load.body or "").replace("@KNOWN@", str(number))
            response = self.request(login_load.method, login_load.path, body, login_load.headers)
            assert response.status < 300, response
            return read_token(response)

        with ThreadPoolExecutor(CONCURRENT_LOGINS) as pool:
            return list(pool.map(log_in, range(count)))


def post_as_any_user(path: str, headers: Mapping[str, str] | None = None, **body: str) -> Load:
    """Return a load of POST requests with a JSON body, each by a random user."""
    return Load("POST", path, json.dumps(body), {**JSON_HEADERS, **(headers or {})}, user_count=USER_COUNT)
