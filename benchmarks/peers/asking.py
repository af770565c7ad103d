"""Who asks a peer: how they sign in for the tokens that a load needs."""

import http.client
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.grounds import PASSWORD
from benchmarks.wrk import JSON, Load

PEOPLE = 10_000
# What a load asks for: one of the people, and somebody new.
KNOWN, NEW = "grace@KNOWN@@mail.example.com", "@NEW@@mail.example.com"
TO_READ, TO_TRADE = 16, 96  # tokens; of those that are used once, more than there are connections
AT_ONCE = 4


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Visit:
    """Asks what listens at this port."""

    port: int
    SETTINGS: ClassVar[Mapping[str, str]] = {
        "PEOPLE": str(PEOPLE),
        "EMAIL": KNOWN.replace("@KNOWN@", "{}"),
        "PASSWORD": PASSWORD,
    }

    def is_answered(self) -> bool:
        try:
            return self.ask("GET", "/").status < 500
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def tokens(self, count: int, sign_in: Load, read: Callable[[Answer], str]) -> list[str]:
        """Of as many people as are asked for, from what they are answered when they sign in."""

        def token(number: int) -> str:
            body = (sign_in.body or "").replace("@KNOWN@", str(number))
            answer = self.ask(sign_in.method, sign_in.path, body, sign_in.headers)
            assert answer.status < 300, answer
            return read(answer)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(token, range(count)))


def posted(path: str, headers: Mapping[str, str] | None = None, **body: str) -> Load:
    """A call with a JSON body, by any of the people."""
    return Load("POST", path, json.dumps(body), {**JSON, **(headers or {})}, people=PEOPLE)
