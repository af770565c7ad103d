"""A client that remembers what was sent, what came back, and what it took."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

KEY = "tests.attacks.look"
SECRET = {
    "password",
    "current_password",
    "otp",
    "token",
    "refresh_token",
    "device_token",
    "verification_id",
    "reset_id",
}
SHORT = 6  # letters; a word as short as that may stand in an answer by itself
LONG = 1000  # letters; the log cuts what is longer
LARGE = 4096  # bytes
TRACED = {"x-request-id", "host", "origin"}  # headers whose values an answer may carry


@dataclass
class Seen:
    """One request and its answer."""

    answer: TestResponse
    sent: Any
    headers: Headers
    work: float  # seconds of the thread that asked
    waited: float

    @property
    def values(self) -> list[str]:
        """The values that were sent; their names may be told."""
        headers = [value for name, value in self.headers if name.lower() not in TRACED]
        query = [value for values in self.answer.request.args.listvalues() for value in values]
        return [value for value in [*texts(self.sent), *headers, *query] if len(value) >= SHORT]

    @property
    def secrets(self) -> set[str]:
        """What opens a door, of what was sent and of what came back."""
        _, _, token = self.headers.get("Authorization", "").partition(" ")
        found = {token, *secrets_in(self.sent), *secrets_in(parsed(self.answer.get_data()))}
        return {secret for secret in found if SHORT <= len(secret) < LONG}


class Watched(FlaskClient):
    """What every client of the application is."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        waited, work = time.monotonic(), time.thread_time()
        answer = super().open(*args, **kwargs)
        work, waited = time.thread_time() - work, time.monotonic() - waited
        sent = kwargs.get("json") or parsed(kwargs.get("data") or b"")
        look: Callable[[Seen], None] = self.application.extensions[KEY]
        look(Seen(answer, sent, Headers(kwargs.get("headers")), work, waited))
        return answer


def parsed(body: Any) -> Any:
    """A body, if it is JSON and not meant to keep its reader busy."""
    try:
        return json.loads(body) if len(body) < LARGE else None
    except (TypeError, ValueError, RecursionError):
        return None


def texts(value: Any) -> Iterator[str]:
    """Every text in it that is a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def secrets_in(body: Any) -> Iterator[str]:
    for name, value in body.items() if isinstance(body, dict) else ():
        if name in SECRET and isinstance(value, str):
            yield value
