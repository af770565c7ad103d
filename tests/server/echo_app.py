"""A WSGI application behind the request buffer that returns its environ, for `granian --interface rsgi`."""

import json
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from flaskauth.core.errors import APIError
from flaskauth.core.http.app import default_headers
from flaskauth.core.observability import log
from flaskauth.server.request_buffer import SLOW_READS, RequestBuffer
from flaskauth.settings import Settings

MIB = 1024 * 1024
released = threading.Event()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Return the environ and the size of the body as JSON, except for these paths.

    `/held?N` waits N seconds first. `/users/export` and `/avatars/` wait for `POST /release`. `/fails` raises.
    `/long?N` streams N MiB without a Content-Length; `/breaks?N` raises after N MiB. `/later` returns 503, and
    `/later?1` returns 503 with Retry-After.
    """
    if environ["PATH_INFO"] == "/later":
        headers = [("Retry-After", "1"), ("X-Custom", "yes")] if environ["QUERY_STRING"] else []
        start_response("503 Service Unavailable", headers)
        return [b"not now"]
    return _respond(environ, start_response)


def _respond(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    if environ["PATH_INFO"] in {"/long", "/breaks"}:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield from (bytes([65 + number]) * MIB for number in range(int(environ["QUERY_STRING"])))
        if environ["PATH_INFO"] == "/breaks":
            raise RuntimeError("failed midway")
        return
    if environ["PATH_INFO"] == "/fails":
        raise RuntimeError("a secret in the exception")
    if environ["PATH_INFO"].startswith(tuple(SLOW_READS)):
        released.wait(20)
    if environ["PATH_INFO"] == "/release":
        released.set()
    if environ["PATH_INFO"] == "/held":
        time.sleep(float(environ["QUERY_STRING"]))
    try:
        size = len(environ["wsgi.input"].read())
    except APIError as error:
        size = -error.status
    strings = {name: value for name, value in environ.items() if isinstance(value, str)}
    raw = json.dumps({**strings, "size": size}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(raw)))])
    yield raw


def create_request_buffer() -> RequestBuffer:
    log.configure()
    settings = Settings.load({"CORS_ORIGINS": "https://app.example.com"}, Path("no.env"))
    return RequestBuffer(application, (1, 1), partial(default_headers, settings), on_error=print_code)


def print_code(code: str) -> None:
    """Print the code of an error that the request buffer counts."""
    print(f"counted {code}", flush=True)
