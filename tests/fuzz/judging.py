"""What came back: is each answer one of ours, or the word of the HTTP server to what is no HTTP?"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from tests.fuzz.oddities import HTTP_2

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) [ -~]*(?=\r\n)")
BY_THE_SERVER = {400, 414, 431}  # what is no HTTP, or too long to be read
SILENCE = "nothing"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool


def judged(sent: bytes, received: bytes) -> tuple[list[str], str | None]:
    """What the answers are called in the counts, and what is wrong with one of them."""
    if not received:
        return [SILENCE], None
    if sent.startswith(HTTP_2) and not received.startswith(b"HTTP/1"):
        return ["HTTP/2"], None
    try:
        answers = list(read(received))
    except ValueError as error:
        return ["no HTTP"], str(error)
    wrong = [told for answer in answers if (told := _complaint(answer))]
    return [_called(answer) for answer in answers], wrong[0] if wrong else None


def is_whole(received: bytes) -> bool:
    """Whether nothing of what came is cut off."""
    with suppress(ValueError):
        return all(answer.is_whole for answer in read(received))
    return False


def read(received: bytes) -> Iterator[Answer]:
    """The answers, one after the other; the last may have been cut off.

    Raises:
        ValueError: this is no HTTP.
    """
    while received:
        if not (found := STATUS.match(received)):
            raise ValueError(f"no status line: {received[:80]!r}")
        status, (head, end, received) = int(found.group(1)), received[found.end() :].partition(b"\r\n\r\n")
        headers = dict(_header(line) for line in head.split(b"\r\n") if line)
        if status == 100:
            continue
        body, received, is_whole = _body(headers, received)
        yield Answer(status, headers, body, is_whole and bool(end))


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.decode("latin-1").partition(":")
    if not colon or not re.fullmatch(r"[a-zA-Z0-9-]+", name):
        raise ValueError(f"no header: {line[:80]!r}")
    return name.lower(), value.strip()


def _body(headers: dict[str, str], rest: bytes) -> tuple[bytes, bytes, bool]:
    """The body, what comes after it, and whether it is all there; an answer to HEAD has none."""
    if rest.startswith(b"HTTP/1."):
        return b"", rest, False
    if headers.get("transfer-encoding") == "chunked":
        return _chunks(rest)
    length = int(headers.get("content-length", "0"))
    return rest[:length], rest[length:], len(rest) >= length


def _chunks(rest: bytes) -> tuple[bytes, bytes, bool]:
    body = b""
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
        if not length:
            return body, rest, True
    return body, b"", False


def _called(answer: Answer) -> str:
    return str(answer.status) if _is_ours(answer) else f"{answer.status} by the HTTP server"


def _is_ours(answer: Answer) -> bool:
    return "x-request-id" in answer.headers


def _complaint(answer: Answer) -> str | None:
    if answer.status >= 500 and answer.status != 503:
        return f"{answer.status}: {answer.body[:300]!r}"
    if not answer.is_whole:
        return None
    if not _is_ours(answer):
        known = answer.status in BY_THE_SERVER and not answer.body
        return None if known else f"{answer.status} that is not ours: {answer.headers} {answer.body[:200]!r}"
    if answer.headers.get("location", "/")[:2] in {"//", "ht"}:
        return f"sends people to {answer.headers['location']}"
    if answer.status >= 400 and not _has_envelope(answer):
        return f"{answer.status} without envelope: {answer.body[:200]!r}"
    return None


def _has_envelope(answer: Answer) -> bool:
    try:
        told = json.loads(answer.body or b"{}")
    except ValueError:
        return False
    is_said = isinstance(told, dict) and {"status", "success", "message", "code", "request_id"} <= set(told)
    return not answer.body or (is_said and told["request_id"] == answer.headers["x-request-id"])
