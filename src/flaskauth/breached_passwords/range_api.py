"""Query a range API (k-anonymity): it receives 5 characters of the hash, and the comparison is made locally."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from http import HTTPStatus
from http.client import HTTP_PORT, HTTPS_PORT, HTTPConnection, HTTPException, HTTPResponse
from socket import create_connection
from urllib.parse import SplitResult, urlsplit

from flaskauth.core.deadline import Deadline, get_tls_context

TIMEOUT = 1.5  # seconds, for DNS, connection, TLS and response together
MAX_RESPONSE_SIZE = 2**20  # bytes; a range has about 40,000
ABANDON_AFTER = 2.0  # seconds until a connection is closed whose caller has timed out
PREFIX_LENGTH = 5  # hexadecimal characters of the hash that are sent
# Padding hides the range from an observer of the length of the encrypted response. Padding lines have the count 0.
HEADERS = {"Add-Padding": "true", "User-Agent": "flaskauth", "Connection": "close"}
LINE_PATTERN = re.compile(rb"([0-9A-F]{35}):(\d{1,18})")


class RangeApiError(Exception):
    """The API returned no usable response. The text gives the reason, never the requested range."""


class RangeApiConnection(HTTPConnection):
    """An HTTP connection with a deadline, and verified TLS for https. It uses no proxy and follows no redirects."""

    def __init__(self, root: SplitResult, deadline: Deadline) -> None:
        self.default_port = HTTPS_PORT if root.scheme == "https" else HTTP_PORT
        super().__init__(root.hostname or "", root.port or self.default_port, timeout=TIMEOUT)
        self._context = get_tls_context() if root.scheme == "https" else None
        self._deadline = deadline

    def connect(self) -> None:
        raw_socket = create_connection((self.host, self.port), TIMEOUT)
        self._deadline.watch(raw_socket)
        self.sock = self._context.wrap_socket(raw_socket, server_hostname=self.host) if self._context else raw_socket


def contains(root: str, digest: bytes) -> bool:
    """Return True if the API's list contains the SHA-1 digest.

    Raises:
        RangeApiError
    """
    hex_digest = digest.hex().upper()
    return fetch_range(root, hex_digest[:PREFIX_LENGTH]).get(hex_digest[PREFIX_LENGTH:].encode(), 0) > 0


def fetch_range(root: str, prefix: str) -> dict[bytes, int]:
    """Return the count of each hash in the range, by its suffix.

    Raises:
        RangeApiError
    """
    body = _run_with_timeout(lambda: _fetch(urlsplit(root), prefix))
    matches = [LINE_PATTERN.fullmatch(line) for line in body.upper().split()]
    if not matches or not all(matches):  # a range is never empty: it has hundreds of lines, and padding
        raise RangeApiError("not a range")
    return {line[1]: int(line[2]) for line in matches if line}


def _fetch(root: SplitResult, prefix: str) -> bytes:
    with Deadline(ABANDON_AFTER) as deadline, closing(RangeApiConnection(root, deadline)) as connection:
        connection.request("GET", f"{root.path}/{prefix}", headers=HEADERS)
        with connection.getresponse() as response:
            return _read_body(response)


def _read_body(response: HTTPResponse) -> bytes:
    """Return the complete body of a 200 response. Redirects are rejected (ASVS 15.3.2)."""
    if response.status != HTTPStatus.OK:
        raise RangeApiError(f"status {response.status}")
    body = response.read(MAX_RESPONSE_SIZE + 1)
    if len(body) > MAX_RESPONSE_SIZE:
        raise RangeApiError("too long")
    if response.length:
        raise RangeApiError("cut short")
    return body


def _run_with_timeout(work: Callable[[], bytes]) -> bytes:
    """Run the work in a thread and abandon it after TIMEOUT, because DNS lookups cannot be given a timeout."""
    future: Future[bytes] = Future()
    threading.Thread(target=_run, args=(work, future), name="breached-passwords", daemon=True).start()
    try:
        return future.result(TIMEOUT)
    except (OSError, HTTPException, ValueError) as error:
        raise RangeApiError(type(error).__name__) from error


def _run(work: Callable[[], bytes], future: "Future[bytes]") -> None:
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 (the waiting caller raises it)
        future.set_exception(error)
