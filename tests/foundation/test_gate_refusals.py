"""What is refused before the application is asked, and what it could not answer: in our shape, and in the log."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.journeys.processes import Place, Running
from tests.journeys.visitors import Visitor
from tests.servers import free_port

from flaskauth.foundation.gate import LARGE_AT_ONCE
from flaskauth.foundation.lanes import MOST_WAITING

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, int]]:
    """`flaskauth serve` behind a proxy on this machine that appends to X-Forwarded-For."""
    port = free_port()
    place = Place(tmp_path_factory.mktemp("refusals"), {"TRUSTED_PROXIES": "127.0.0.1"})
    with place.start("flaskauth", "serve", "--port", str(port), "--workers", "1") as server:
        with closing(Visitor(port)) as visitor:
            server.wait_until(visitor.is_ready)
        yield server, port


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, int]]:
    """The application of `gated`, with one thread to write and one to look."""
    port = free_port()
    words = ("granian", "--interface", "rsgi", "--factory", "--no-ws", "--working-dir", str(ROOT), "--port", str(port))
    with Place(tmp_path_factory.mktemp("held")).start(*words, "tests.foundation.gated:gate") as server:
        server.wait_until(lambda: _asks(port, b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n") != b"")
        yield server, port


def _asks(port: int, sent: bytes) -> bytes:
    """Everything that came back."""
    try:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
            client.sendall(sent)
            return b"".join(iter(lambda: client.recv(65_536), b""))
    except OSError:
        return b""


def _refused(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"x-content-type-options: nosniff" in head.lower()
    assert b"content-security-policy: default-src 'none'" in head.lower()
    told = json.loads(body)
    assert {"status", "success", "message", "code", "request_id"} <= set(told)
    assert told["request_id"].encode() in head
    return int(head.split()[1]), told["code"]


@pytest.mark.parametrize("header", [b"X-Forwarded-For: \xe9, 203.0.113.9", b"Via: \xff", b"Authorization: Bearer \x80"])
def test_a_header_of_bytes_that_are_no_text_hides_nothing(serving: tuple[Running, int], header: bytes) -> None:
    request = b"POST /auth/login HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n%s\r\n\r\n" % header

    assert _refused(_asks(serving[1], request)) == (400, "bad_request")


def test_a_query_may_be_any_bytes(serving: tuple[Running, int]) -> None:
    answer = _asks(serving[1], b"GET /health/live?a=\xe2\x82\xac HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200")


def test_what_the_application_cannot_answer_is_an_accident_in_our_shape_and_in_the_log(
    held: tuple[Running, int],
) -> None:
    server, port = held
    answer = _asks(port, b"GET /fails HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    assert _refused(answer) == (500, "internal_error")
    server.wait_for('"accident"')
    assert "a secret of the accident" not in server.said


def test_an_answer_that_breaks_off_half_way_keeps_nobody_waiting(held: tuple[Running, int]) -> None:
    _, port = held
    began = time.monotonic()
    answer = _asks(port, b"GET /breaks?2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200")
    assert len(answer) > 2 * MIB
    assert time.monotonic() - began < 10


def test_only_so_many_stand_in_line_and_the_next_is_told_at_once(held: tuple[Running, int]) -> None:
    _, port = held
    busy = b"POST /held?4 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    quick = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with ExitStack() as open_connections:
        _sent(open_connections, port, busy)
        time.sleep(0.2)
        for _ in range(MOST_WAITING + 50):
            _sent(open_connections, port, quick)
        began = time.monotonic()
        answers = {_refused(answer) for answer in (_asks(port, quick) for _ in range(3)) if b" 200 " not in answer[:20]}

        assert answers == {(503, "overloaded")}
        assert time.monotonic() - began < 1.0
    time.sleep(4)
    assert _asks(port, quick).startswith(b"HTTP/1.1 200")


def test_a_place_for_an_upload_is_free_when_it_was_answered_not_when_it_has_come(held: tuple[Running, int]) -> None:
    _, port = held
    upload = b"POST /held?%s HTTP/1.1\r\nHost: h\r\n" + FORM + b"Content-Length: %d\r\n\r\n" % MIB + b"x" * MIB
    with ExitStack() as open_connections:
        for number in range(LARGE_AT_ONCE):
            _sent(open_connections, port, upload % (b"6" if number == 0 else b"0"))
        answer = _asks(port, upload.replace(b"Host: h", b"Host: h\r\nConnection: close") % b"0")

        assert b'"size": -503' in answer


def _sent(stack: ExitStack, port: int, raw: bytes) -> None:
    stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=30))).sendall(raw)
