"""Check the received bytes: each response must come from flaskauth, or be the HTTP server's error for invalid HTTP."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from tests.fuzz.malformed_http import HTTP_2

STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) [ -~]*(?=\r\n)")
SERVER_STATUSES = {400, 414, 431}  # statuses of the HTTP server for malformed or oversized requests
NO_RESPONSE = "no response"


@dataclass(frozen=True)
class ParsedResponse:
    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool


def check_responses(sent: bytes, received: bytes) -> tuple[list[str], str | None]:
    """Return the labels of the responses for the statistics, and what is wrong with one of them."""
    if not received:
        return [NO_RESPONSE], None
    if sent.startswith(HTTP_2) and not received.startswith(b"HTTP/1"):
        return ["HTTP/2"], None
    try:
        responses = list(parse_responses(received))
    except ValueError as error:
        return ["not HTTP"], str(error)
    faults = [fault for response in responses if (fault := _find_fault(response))]
    return [_label(response) for response in responses], faults[0] if faults else None


def is_whole(received: bytes) -> bool:
    """Return True if no response is truncated."""
    with suppress(ValueError):
        return all(response.is_whole for response in parse_responses(received))
    return False


def parse_responses(received: bytes) -> Iterator[ParsedResponse]:
    """Parse the responses. The last one may be truncated.

    Raises:
        ValueError: the bytes are not HTTP.
    """
    while received:
        if not (match := STATUS_LINE.match(received)):
            raise ValueError(f"no status line: {received[:80]!r}")
        status, (header_block, end, received) = int(match.group(1)), received[match.end() :].partition(b"\r\n\r\n")
        headers = dict(_header(line) for line in header_block.split(b"\r\n") if line)
        if status == 100:
            continue
        body, received, is_whole = _body(headers, received)
        yield ParsedResponse(status, headers, body, is_whole and bool(end))


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.decode("latin-1").partition(":")
    if not colon or not re.fullmatch(r"[a-zA-Z0-9-]+", name):
        raise ValueError(f"malformed header: {line[:80]!r}")
    return name.lower(), value.strip()


def _body(headers: dict[str, str], remaining: bytes) -> tuple[bytes, bytes, bool]:
    """Return the body, the remaining data and whether the body is complete. A response to HEAD has none."""
    if remaining.startswith(b"HTTP/1."):
        return b"", remaining, False
    if headers.get("transfer-encoding") == "chunked":
        return _chunks(remaining)
    length = int(headers.get("content-length", "0"))
    return remaining[:length], remaining[length:], len(remaining) >= length


def _chunks(remaining: bytes) -> tuple[bytes, bytes, bool]:
    body = b""
    while b"\r\n" in remaining:
        size, _, remaining = remaining.partition(b"\r\n")
        length = int(size, 16)
        body, remaining = body + remaining[:length], remaining[length + 2 :]
        if not length:
            return body, remaining, True
    return body, b"", False


def _label(response: ParsedResponse) -> str:
    return str(response.status) if _is_from_application(response) else f"{response.status} by the HTTP server"


def _is_from_application(response: ParsedResponse) -> bool:
    return "x-request-id" in response.headers


def _find_fault(response: ParsedResponse) -> str | None:
    if response.status >= 500 and response.status != 503:
        return f"{response.status}: {response.body[:300]!r}"
    if not response.is_whole:
        return None
    if not _is_from_application(response):
        is_server_error = response.status in SERVER_STATUSES and not response.body
        return (
            None
            if is_server_error
            else f"{response.status} not from flaskauth: {response.headers} {response.body[:200]!r}"
        )
    if response.headers.get("location", "/")[:2] in {"//", "ht"}:
        return f"redirects to {response.headers['location']}"
    if response.status >= 400 and not _has_envelope(response):
        return f"{response.status} without envelope: {response.body[:200]!r}"
    return None


def _has_envelope(response: ParsedResponse) -> bool:
    try:
        body = json.loads(response.body or b"{}")
    except ValueError:
        return False
    has_fields = isinstance(body, dict) and {"status", "success", "message", "code", "request_id"} <= set(body)
    return not response.body or (has_fields and body["request_id"] == response.headers["x-request-id"])
