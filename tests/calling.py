"""Somebody who may call every route, each time from another network, and looks closely at each answer."""

import io
import json
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from tests.inside import refused
from tests.people import People, bearer, network
from tests.registration.asking import elsewhere
from tests.routes import Route
from werkzeug.test import TestResponse

MARK = "zq9-mark"  # stands in values, which no answer may repeat
JSON = "application/json"
POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@dataclass
class Caller:
    """Signed in where a route asks for it."""

    client: FlaskClient
    token: str

    @classmethod
    def joined(cls, people: People) -> "Caller":
        return cls(people.client, people.joined().signed_in()["token"])

    def send(self, route: Route, body: bytes = b"", content_type: str | None = JSON, **more: Any) -> TestResponse:
        """The answer to these bytes."""
        headers = {**network(elsewhere()), **more.pop("headers", {})}
        if route.access == "guarded":
            headers |= bearer(self.token)
        answer = self.client.open(
            route.path, method=route.method, data=body, content_type=content_type, headers=headers, **more
        )
        return looked_at(answer)

    def say(self, route: Route, body: Any) -> TestResponse:
        """The answer to this JSON; lone surrogates and all."""
        return self.send(route, json.dumps(body).encode())

    def stream(self, route: Route, stream: io.IOBase, length: int | None = None) -> TestResponse:
        """The answer to a body that is announced with a length, or comes in chunks."""
        announced = {} if length is None else {"CONTENT_LENGTH": str(length)}
        overrides = {"wsgi.input": stream, "wsgi.input_terminated": length is None, **announced}
        return self.send(route, environ_overrides=overrides)

    def errors(self, route: Route, body: Any) -> dict[str, list[str]]:
        """The errors of a body that is refused by its schema."""
        answer = self.say(route, body)
        assert refused(answer) == (422, "invalid_input"), f"{route} {body!r}: {answer.text}"
        errors: dict[str, list[str]] = answer.get_json()["errors"]
        return errors


def looked_at(answer: TestResponse) -> TestResponse:
    """The answer, once it is decent: no accident, no echo, no cookie, no version, and the headers that all have."""
    assert answer.status_code < 500, answer.text
    assert MARK not in answer.text
    headers = answer.headers
    assert not {"Set-Cookie", "Server", "X-Powered-By"} & set(headers.keys())
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Request-ID"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    if answer.status_code >= 400:
        assert (headers["Content-Type"], headers["Cache-Control"]) == (JSON, "no-store")
        assert headers["Content-Security-Policy"] == POLICY
    return answer
