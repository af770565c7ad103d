"""Call the server's RSGI application as granian does, and record which requests Flask has handled."""

import asyncio
import json
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flask import Flask
from tests.support.users import bearer

from flaskauth.core import context, shutdown
from flaskauth.core.http.app import default_headers
from flaskauth.server.fast_path import VIEWS, FastPath
from flaskauth.server.request_buffer import RequestBuffer

PROFILE, REFRESH = "/users/profile", "/auth/refresh"


class RequestHeaders(list[tuple[str, str]]):
    """The headers of a request, as granian passes them: names in lower case."""

    def items(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self if value.isascii()]

    def keys(self) -> list[str]:
        return [name for name, _ in self]

    def get(self, name: str, default: str | None = None) -> str | None:
        return dict(self.items()).get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self.keys()


@dataclass
class Request:
    """A request, and the methods of granian's scope and protocol objects that the server uses."""

    method: str
    path: str
    headers: RequestHeaders
    body: bytes = b""
    query_string: str = ""
    client: str = "127.0.0.1:50000"
    server: str = "127.0.0.1:5000"
    scheme: str = "http"
    http_version: str = "1.1"
    response: "Response | None" = None

    def __call__(self) -> Awaitable[bytes]:
        return asyncio.sleep(0, self.body)

    async def __aiter__(self) -> Any:
        yield self.body

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.response = Response(status, headers, body)


@dataclass
class Response:
    status: int
    header_list: list[tuple[str, str]]
    body: bytes
    is_by_flask: bool = False
    request_id: str = field(init=False)
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = dict(self.header_list)
        self.request_id = self.headers.pop("X-Request-ID")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def profile_request(token: str, headers: Mapping[str, str] | None = None, **options: Any) -> Request:
    names = {name.lower(): value for name, value in {**bearer(token), **(headers or {})}.items()}
    return Request("GET", PROFILE, RequestHeaders(names.items()), **options)


def refresh_request(
    token: str, headers: Mapping[str, str] | None = None, body: bytes | None = None, **options: Any
) -> Request:
    body = json.dumps({"refresh_token": token}).encode() if body is None else body
    names = {"content-type": "application/json", "content-length": str(len(body))}
    names |= {name.lower(): value for name, value in (headers or {}).items()}
    return Request("POST", REFRESH, RequestHeaders(names.items()), body, **options)


class RSGIClient:
    """A client of the RSGI application of a Flask application."""

    def __init__(self, app: Flask, runner: asyncio.Runner, views: Any = VIEWS) -> None:
        self._app, self._runner = app, runner
        self._flask_requests: set[int] = set()
        settings = app.extensions[context.KEY]
        self._fast_path = FastPath(app, views)  # type: ignore[arg-type]
        self._rsgi_app = RequestBuffer(
            self._call_flask,
            (2, 2),
            partial(default_headers, settings),
            is_draining=lambda: shutdown.is_draining(app),
            fast_path=self._fast_path.respond,
        )

    def send(self, request: Request) -> Response:
        return self.send_all([request])[0]

    def send_all(self, requests: Sequence[Request]) -> list[Response]:
        """Send the requests concurrently."""
        return self._runner.run(self._send_all(requests))

    def waiting(self, method: str, path: str) -> int:
        """Return the number of requests that wait for the fast path."""
        return self._fast_path._processors[method, path]._queue.qsize()

    async def _send_all(self, requests: Sequence[Request]) -> list[Response]:
        return [*await asyncio.gather(*[self._send(number, request) for number, request in enumerate(requests)])]

    async def _send(self, number: int, request: Request) -> Response:
        request.headers.append(("x-test-number", str(number)))
        self._flask_requests.clear()
        await self._rsgi_app.__rsgi__(request, request)  # type: ignore[arg-type]
        assert request.response
        request.response.is_by_flask = number in self._flask_requests
        return request.response

    def _call_flask(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self._flask_requests.add(int(environ["HTTP_X_TEST_NUMBER"]))
        return self._app.wsgi_app(environ, start_response)


@contextmanager
def rsgi_client(app: Flask, views: Any = VIEWS) -> Iterator[RSGIClient]:
    with asyncio.Runner() as runner:
        yield RSGIClient(app, runner, views)
