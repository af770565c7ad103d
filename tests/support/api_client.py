"""A client that calls every route, each time from a different network, and checks every response."""

import io
import json
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from tests.registration.helpers import unused_ip
from tests.support.inspect import error_of
from tests.support.route_catalog import Route
from tests.support.users import UserFactory, bearer, forwarded_for
from werkzeug.test import TestResponse

ECHO_MARKER = "zq9-mark"  # part of submitted values, which no response may repeat
JSON = "application/json"
API_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@dataclass
class ApiClient:
    """Send requests with an access token where the route requires one."""

    client: FlaskClient
    token: str

    @classmethod
    def authenticated(cls, users: UserFactory) -> "ApiClient":
        return cls(users.client, users.create_verified().login_ok()["token"])

    def send(self, route: Route, body: bytes = b"", content_type: str | None = JSON, **more: Any) -> TestResponse:
        """Send these bytes as the body."""
        headers = {**forwarded_for(unused_ip()), **more.pop("headers", {})}
        if route.access == "guarded":
            headers |= bearer(self.token)
        response = self.client.open(
            route.path, method=route.method, data=body, content_type=content_type, headers=headers, **more
        )
        return assert_safe_response(response)

    def send_json(self, route: Route, body: Any) -> TestResponse:
        """Send the value as JSON. Lone surrogates are escaped, not rejected."""
        return self.send(route, json.dumps(body).encode())

    def send_stream(
        self, route: Route, stream: io.IOBase, length: int | None = None, content_type: str | None = JSON
    ) -> TestResponse:
        """Send a body with this Content-Length, or chunked if the length is None."""
        content_length = {} if length is None else {"CONTENT_LENGTH": str(length)}
        overrides = {"wsgi.input": stream, "wsgi.input_terminated": length is None, **content_length}
        return self.send(route, content_type=content_type, environ_overrides=overrides)

    def validation_errors(self, route: Route, body: Any) -> dict[str, list[str]]:
        """Assert that the schema rejects the body, and return its errors by field."""
        response = self.send_json(route, body)
        assert error_of(response) == (422, "validation_failed"), f"{route} {body!r}: {response.text}"
        errors: dict[str, list[str]] = response.get_json()["errors"]
        return errors


def assert_safe_response(response: TestResponse) -> TestResponse:
    """Assert that the response is no 5xx, echoes no input, sets no cookie and has the security headers; return it."""
    assert response.status_code < 500, response.text
    assert ECHO_MARKER not in response.text
    headers = response.headers
    assert not {"Set-Cookie", "Server", "X-Powered-By"} & set(headers.keys())
    assert headers["X-Content-Type-Options"] == "nosniff"
    is_page = "Cross-Origin-Opener-Policy" in headers  # a hosted page, whose form sends its Origin
    assert headers["Referrer-Policy"] == ("same-origin" if is_page else "no-referrer")
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Request-ID"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    if response.status_code >= 400:
        media_type = "text/html; charset=utf-8" if is_page else JSON
        assert (headers["Content-Type"], headers["Cache-Control"]) == (media_type, "no-store")
        assert is_page or headers["Content-Security-Policy"] == API_CSP
    return response
