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
HEADERS_THAT_DECIDE_NOTHING = (
    *(b"CF-IPCity", b"Cookie", b"User-Agent", b"Referer", b"X-Anything", b"Accept-Language", b"If-None-Match", b"Host"),
    *(b"Origin", b"Range", b"X-Request-ID", b"Accept", b"Accept-Encoding", b"If-Modified-Since", b"Expect", b"Via"),
)
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


def _get(port: int, path: bytes, header: bytes) -> bytes:
    return _exchange(port, b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n\r\n" % (path, header))


@pytest.mark.parametrize("value", ["Zürich".encode(), b"Z\xfcrich"], ids=["UTF-8", "Latin-1"])
def test_non_ascii_header_is_ignored(flaskauth_server: tuple[RunningProcess, int], value: bytes) -> None:
    for name in HEADERS_THAT_DECIDE_NOTHING:
        response = _get(flaskauth_server[1], b"/health/live", name + b": " + value)
        assert response.startswith(b"HTTP/1.1 200"), name


def test_non_ascii_authorization_header_returns_401(flaskauth_server: tuple[RunningProcess, int]) -> None:
    for path in (b"/users/profile", b"/auth/sessions"):
        response = _get(flaskauth_server[1], path, b"Authorization: Bearer \x80")
        assert _error_of(response) == (401, "invalid_token")


def test_non_ascii_forwarded_for_falls_back_to_the_peer(flaskauth_server: tuple[RunningProcess, int]) -> None:
    server, port = flaskauth_server
    for number, value in enumerate((b"\xe9, 203.0.113.9", "203.0.113.9, ü".encode(), b"\xff")):
        _get(port, b"/hello", b"X-Request-ID: forwarded-%d\r\nX-Forwarded-For: %s" % (number, value))
        server.wait_for_output(f'"ip": "127.0.0.1", "event": "request", "request_id": "forwarded-{number}"')


def test_repeated_forwarded_for_uses_the_line_of_the_proxy(flaskauth_server: tuple[RunningProcess, int]) -> None:
    """A proxy adds its line after those of the client. A line that is not ASCII is missing, and hides no later one."""
    server, port = flaskauth_server
    lines = b"X-Forwarded-For: \xff\r\nX-Forwarded-For: 192.0.2.1, \xe9\r\nX-Forwarded-For: 203.0.113.9"
    _get(port, b"/hello", b"X-Request-ID: repeated\r\n" + lines)

    server.wait_for_output('"ip": "203.0.113.9", "event": "request", "request_id": "repeated"')


@pytest.mark.parametrize("name", [b"Via", b"Forwarded", b"X-Forwarded-For", b"X-Real-IP"])
def test_non_ascii_proxy_header_hides_the_mailbox(flaskauth_server: tuple[RunningProcess, int], name: bytes) -> None:
    """Otherwise a client could remove the header that shows the proxy."""
    port = flaskauth_server[1]
    assert _get(port, b"/dev/mailbox.json", b"Accept: */*").startswith(b"HTTP/1.1 200")

    assert _error_of(_get(port, b"/dev/mailbox.json", name + b": \xff")) == (404, "not_found")


@pytest.mark.parametrize("name", [b"Content-Type", b"Content-Encoding"])
def test_non_ascii_content_header_is_named(flaskauth_server: tuple[RunningProcess, int], name: bytes) -> None:
    header = b"Content-Type: application/json\r\nContent-Encoding: \xe9" if b"Enc" in name else name + b": \xe9"
    request = (
        b"POST /auth/logout HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n%s\r\n\r\n{}" % header
    )
    response = _exchange(flaskauth_server[1], request)

    assert _error_of(response) == (400, "bad_request")
    assert b"The header " + name in response


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


def test_buffer_error_is_counted_logged_and_has_cors_headers(echo_server: tuple[RunningProcess, int]) -> None:
    server, port = echo_server
    for origin, is_allowed in ((b"https://app.example.com", True), (b"https://evil.example", False), (b"\xff", False)):
        response = _get(port, b"/fails", b"Origin: " + origin)
        assert (b"access-control-allow-origin: " + origin + b"\r\n" in response) == is_allowed
        assert b"vary: Accept-Language, Origin" in response
        request_id = json.loads(response.partition(b"\r\n\r\n")[2])["request_id"]
        server.wait_for_output(f'"request_id": "{request_id}", "event": "request_rejected"')
    assert server.output.count("counted internal_error") >= 3


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
        assert time.monotonic() - started < 3  # before the held request ends
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
