"""A test client that records each request, its response and its cost."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

RESPONSE_CHECK_KEY = "tests.security.response_check"
SECRET_FIELDS = {
    "password",
    "current_password",
    "otp",
    "token",
    "refresh_token",
    "device_token",
    "verification_id",
    "reset_id",
}
MIN_SECRET_LENGTH = 6  # characters; shorter values may occur in a response by chance
MAX_SECRET_LENGTH = 1000  # characters; the log truncates longer values
MAX_PARSED_BYTES = 4096
ECHOED_HEADERS = {"x-request-id", "host", "origin"}  # headers whose values a response may contain


@dataclass
class RecordedExchange:
    """One request, its response and its cost."""

    response: TestResponse
    request_body: Any
    request_headers: Headers
    cpu_seconds: float  # CPU seconds of the calling thread
    elapsed_seconds: float

    @property
    def sent_values(self) -> list[str]:
        """The values that were sent, which no error response may repeat. Field names may be repeated."""
        headers = [value for name, value in self.request_headers if name.lower() not in ECHOED_HEADERS]
        query = [value for values in self.response.request.args.listvalues() for value in values]
        return [
            value for value in [*string_values(self.request_body), *headers, *query] if len(value) >= MIN_SECRET_LENGTH
        ]

    @property
    def secrets(self) -> set[str]:
        """Passwords, codes and tokens in the request and the response."""
        _, _, token = self.request_headers.get("Authorization", "").partition(" ")
        candidates = {
            token,
            *find_secrets(self.request_body),
            *find_secrets(parse_small_json(self.response.get_data())),
        }
        return {secret for secret in candidates if MIN_SECRET_LENGTH <= len(secret) < MAX_SECRET_LENGTH}


class RecordingClient(FlaskClient):
    """The client class of the application under test. Passes each exchange to the registered check."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        elapsed, cpu_time = time.monotonic(), time.thread_time()
        response = super().open(*args, **kwargs)
        cpu_time, elapsed = time.thread_time() - cpu_time, time.monotonic() - elapsed
        request_body = kwargs.get("json") or parse_small_json(kwargs.get("data") or b"")
        check: Callable[[RecordedExchange], None] = self.application.extensions[RESPONSE_CHECK_KEY]
        check(RecordedExchange(response, request_body, Headers(kwargs.get("headers")), cpu_time, elapsed))
        return response


def parse_small_json(body: Any) -> Any:
    """Parse a body. Return None if it is not JSON, or large enough to be slow to parse."""
    try:
        return json.loads(body) if len(body) < MAX_PARSED_BYTES else None
    except (TypeError, ValueError, RecursionError):
        return None


def string_values(value: Any) -> Iterator[str]:
    """Yield every string value, in documents of any depth."""
    values = [value]
    while values:
        match values.pop():
            case str() as text:
                yield text
            case dict() as members:
                values.extend(members.values())
            case list() as elements:
                values.extend(elements)


def find_secrets(body: Any) -> Iterator[str]:
    for name, value in body.items() if isinstance(body, dict) else ():
        if name in SECRET_FIELDS and isinstance(value, str):
            yield value
