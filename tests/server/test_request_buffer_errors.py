"""Requests that the buffer rejects, and exceptions of the application: the usual error format, and a log line."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import RunningProcess, Workspace
from tests.servers import free_port

from flaskauth.server.request_buffer import MAX_CONCURRENT_UPLOADS
from flaskauth.server.thread_pool import MAX_QUEUED

MIB = 1024 * 1024
FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"


@pytest.fixture(scope="module")
def flaskauth_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningProcess, int]]:
    """`flaskauth serve` behind a proxy on this machine that appends to X-Forwarded-For."""
    port = free_port()
    workspace = Workspace(tmp_path_factory.mktemp("flaskauth"), {"TRUSTED_PROXIES": "127.0.0.1"})
    with workspace.start("flaskauth", "serve", "--port", str(port), "--workers", "1") as server:
        with closing(HttpClient(port)) as http_client:
            server.wait_until(http_client.is_ready)
        yield server, port


def _exchange(port: int, request: bytes) -> bytes:
    """Return the complete response, or b"" if the connection fails."""
    try:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
            client.sendall(request)
            return b"".join(iter(lambda: client.recv(65_536), b""))
    except OSError:
        return b""


def _error_of(response: bytes) -> tuple[int, str]:
    head, _, body = response.partition(b"\r\n\r\n")
    assert b"x-content-type-options: nosniff" in head.lower()
    assert b"content-security-policy: default-src 'none'" in head.lower()
    error = json.loads(body)
    assert {"status", "success", "message", "code", "request_id"} <= set(error)
    assert error["request_id"].encode() in head
    return int(head.split()[1]), error["code"]


@pytest.mark.parametrize("header", [b"X-Forwarded-For: \xe9, 203.0.113.9", b"Via: \xff", b"Authorization: Bearer \x80"])
def test_non_ascii_header_returns_400(flaskauth_server: tuple[RunningProcess, int], header: bytes) -> None:
    request = b"POST /auth/login HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n%s\r\n\r\n" % header

    assert _error_of(_exchange(flaskauth_server[1], request)) == (400, "bad_request")


def test_non_ascii_query_is_accepted(flaskauth_server: tuple[RunningProcess, int]) -> None:
    response = _exchange(
        flaskauth_server[1], b"GET /health/live?a=\xe2\x82\xac HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    )

    assert response.startswith(b"HTTP/1.1 200")


def test_unhandled_exception_returns_500_and_is_logged(
    echo_server: tuple[RunningProcess, int],
) -> None:
    server, port = echo_server
    response = _exchange(port, b"GET /fails HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    assert _error_of(response) == (500, "internal_error")
    server.wait_for_output('"unhandled_exception"')
    assert "a secret in the exception" not in server.output


def test_response_failing_midway_ends_promptly(echo_server: tuple[RunningProcess, int]) -> None:
    _, port = echo_server
    started = time.monotonic()
    response = _exchange(port, b"GET /breaks?2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    assert response.startswith(b"HTTP/1.1 200")
    assert len(response) > 2 * MIB
    assert time.monotonic() - started < 10


def test_full_request_queue_returns_503_immediately(echo_server: tuple[RunningProcess, int]) -> None:
    _, port = echo_server
    slow = b"POST /held?4 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    quick = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with ExitStack() as open_connections:
        _open_and_send(open_connections, port, slow)
        time.sleep(0.2)
        for _ in range(MAX_QUEUED + 50):
            _open_and_send(open_connections, port, quick)
        started = time.monotonic()
        responses = {
            _error_of(response)
            for response in (_exchange(port, quick) for _ in range(3))
            if b" 200 " not in response[:20]
        }

        assert responses == {(503, "overloaded")}
        assert time.monotonic() - started < 1.0
    time.sleep(4)
    assert _exchange(port, quick).startswith(b"HTTP/1.1 200")


def test_upload_slot_is_held_until_the_response_is_sent(echo_server: tuple[RunningProcess, int]) -> None:
    _, port = echo_server
    upload = b"POST /held?%s HTTP/1.1\r\nHost: h\r\n" + FORM + b"Content-Length: %d\r\n\r\n" % MIB + b"x" * MIB
    with ExitStack() as open_connections:
        for number in range(MAX_CONCURRENT_UPLOADS):
            _open_and_send(open_connections, port, upload % (b"6" if number == 0 else b"0"))
        response = _exchange(port, upload.replace(b"Host: h", b"Host: h\r\nConnection: close") % b"0")

        assert b'"size": -503' in response


def _open_and_send(stack: ExitStack, port: int, raw: bytes) -> None:
    stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=30))).sendall(raw)
