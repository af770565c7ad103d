"""Ask a service for a range of the list: it learns 5 characters of the hash, and the comparison is made here."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from http import HTTPStatus
from http.client import HTTP_PORT, HTTPS_PORT, HTTPConnection, HTTPException, HTTPResponse
from socket import create_connection
from urllib.parse import SplitResult, urlsplit

from flaskauth.foundation import outgoing
from flaskauth.foundation.outgoing import Watchdog

DEADLINE = 1.5  # seconds for all of it: name, connection, TLS, answer
LONGEST = 2**20  # bytes of an answer; a range has some 40,000
ENDED = 2.0  # seconds after which a conversation that nobody waits for any more is ended
TOLD = 5  # of the characters of a hash
# Padding hides from who sees the encrypted answer's length which range it was; a padded line has the count 0.
HEADERS = {"Add-Padding": "true", "User-Agent": "flaskauth", "Connection": "close"}
LINE = re.compile(rb"([0-9A-F]{35}):(\d{1,18})")


class Unanswered(Exception):
    """There is no answer that can be used; says why, never what was asked."""


class Connection(HTTPConnection):
    """Watched from the first byte, and over verified TLS where it is https. It knows no proxy and follows nowhere."""

    def __init__(self, root: SplitResult, watchdog: Watchdog) -> None:
        self.default_port = HTTPS_PORT if root.scheme == "https" else HTTP_PORT
        super().__init__(root.hostname or "", root.port or self.default_port, timeout=DEADLINE)
        self._context = outgoing.verifying() if root.scheme == "https" else None
        self._watchdog = watchdog

    def connect(self) -> None:
        link = create_connection((self.host, self.port), DEADLINE)
        self._watchdog.watch(link)
        self.sock = self._context.wrap_socket(link, server_hostname=self.host) if self._context else link


def holds(root: str, digest: bytes) -> bool:
    """Whether the service's list has it.

    Raises:
        Unanswered
    """
    sought = digest.hex().upper()
    return counts(root, sought[:TOLD]).get(sought[TOLD:].encode(), 0) > 0


def counts(root: str, prefix: str) -> dict[bytes, int]:
    """How often each hash of the range was seen, by the rest of its characters.

    Raises:
        Unanswered
    """
    found = [LINE.fullmatch(line) for line in _in_time(lambda: _answer(urlsplit(root), prefix)).upper().split()]
    if not found or not all(found):  # a range has some hundred lines, and padding besides
        raise Unanswered("not a range")
    return {line[1]: int(line[2]) for line in found if line}


def _answer(root: SplitResult, prefix: str) -> bytes:
    with Watchdog(ENDED) as watchdog, closing(Connection(root, watchdog)) as connection:
        connection.request("GET", f"{root.path}/{prefix}", headers=HEADERS)
        with connection.getresponse() as answer:
            return _body(answer)


def _body(answer: HTTPResponse) -> bytes:
    """All of it; a redirect is no answer (ASVS 15.3.2)."""
    if answer.status != HTTPStatus.OK:
        raise Unanswered(f"status {answer.status}")
    body = answer.read(LONGEST + 1)
    if len(body) > LONGEST:
        raise Unanswered("too long")
    if answer.length:
        raise Unanswered("cut short")
    return body


def _in_time(work: Callable[[], bytes]) -> bytes:
    """On a thread that is not waited for any longer: looking up a name can be given no deadline."""
    done: Future[bytes] = Future()
    threading.Thread(target=_do, args=(work, done), name="breaches", daemon=True).start()
    try:
        return done.result(DEADLINE)
    except (OSError, HTTPException, ValueError) as error:
        raise Unanswered(type(error).__name__) from error


def _do(work: Callable[[], bytes], done: "Future[bytes]") -> None:
    try:
        done.set_result(work())
    except Exception as error:  # noqa: BLE001 (it is raised where somebody waits)
        done.set_exception(error)
