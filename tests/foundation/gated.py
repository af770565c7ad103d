"""An application that says what it was asked, behind the gate; for `granian --interface rsgi`."""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flaskauth.foundation import log
from flaskauth.foundation.errors import Problem
from flaskauth.foundation.gate import Gate
from flaskauth.foundation.server import standing_headers
from flaskauth.settings import Settings

MIB = 1024 * 1024


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """`/long` has no length and goes on for as many MiB as its query says, `/breaks` fails after them; all others tell
    their environment.

    `/held` does so after as many seconds as its query says, `/fails` never. `/later` is 503; `/later?1` tells when to
    come again.
    """
    if environ["PATH_INFO"] == "/later":
        when = [("Retry-After", "1"), ("X-Told", "yes")] if environ["QUERY_STRING"] else []
        start_response("503 Service Unavailable", when)
        return [b"not now"]
    return _told(environ, start_response)


def _told(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    if environ["PATH_INFO"] in {"/long", "/breaks"}:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield from (bytes([65 + number]) * MIB for number in range(int(environ["QUERY_STRING"])))
        if environ["PATH_INFO"] == "/breaks":
            raise RuntimeError("half way")
        return
    if environ["PATH_INFO"] == "/fails":
        raise RuntimeError("a secret of the accident")
    if environ["PATH_INFO"] == "/held":
        time.sleep(float(environ["QUERY_STRING"]))
    try:
        size = len(environ["wsgi.input"].read())
    except Problem as problem:
        size = -problem.status
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    raw = json.dumps({**told, "size": size}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(raw)))])
    yield raw


def gate() -> Gate:
    log.configure()
    return Gate(application, 1, 1, standing_headers(Settings.load({}, Path("no.env"))))
