"""Slow clients do not block other clients, neither with slow headers nor with slow bodies."""

import json
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from tests.docs.shell import serve_folder
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.server.echo_app import MIB
from tests.servers import free_port

from flaskauth.server import request_buffer
from flaskauth.server.run import HEADER_READ_TIMEOUT, MAX_CONNECTIONS

ROOT = Path(__file__).parents[2]
HEAD = b"POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
UPLOAD = b"PUT /users/avatar HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
SLOW = {
    "unfinished headers": HEAD,
    "unfinished body": HEAD + b"Content-Length: 100\r\n\r\n{",
    "unfinished chunked body": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "unfinished upload": UPLOAD + b"Content-Length: 4000000\r\n\r\n--b",
}
CLIENTS_PER_KIND = 75  # 300 in all; the server has 4 threads
MAX_LATENCY = 1.0  # seconds, on a busy machine; without request buffering the wait has no limit


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the echo application behind a request buffer."""
    number = free_port()
    workspace = Workspace(tmp_path_factory.mktemp("echo"))
    command = (
        "granian",
        "--interface",
        "rsgi",
        "--factory",
        "--no-ws",
        "--working-dir",
        str(ROOT),
        "--port",
        str(number),
    )
    with workspace.start(*command, "tests.server.echo_app:create_request_buffer") as server:
        server.wait_until(lambda: _accepts_connections(number))
        yield number


def _accepts_connections(port: int) -> bool:
    with closing(socket.socket()) as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def request_echo(port: int, request: bytes, *pieces: bytes, pause: float = 0.0) -> Any:
    """Send a request, in several pieces after pauses, and return the environ that the application received."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
        client.sendall(request)
        for piece in pieces:
            time.sleep(pause)
            client.sendall(piece)
        head, _, body = _receive_all(client).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        return json.loads(body)


def _receive_all(client: socket.socket) -> bytes:
    received = b""
    while piece := client.recv(65_536):
        received += piece
    return received


def post(length: int | None, kind: bytes = b"application/json") -> bytes:
    framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return b"POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: %s\r\n%s\r\n\r\n" % (kind, framing)


def chunk(raw: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(raw), raw)


def test_slow_clients_are_disconnected_and_block_no_client(tmp_path: Path) -> None:
    with (
        serve_folder(tmp_path, DATABASE_POOL_SIZE="2", TRUSTED_PROXIES="127.0.0.1") as shell,
        closing(HttpClient(shell.port, "192.0.2.7")) as http_client,
        ExitStack() as connections,
    ):
        slow = [
            _open_and_send(connections, shell.port, request)
            for request in SLOW.values()
            for _ in range(CLIENTS_PER_KIND)
        ]
        end = time.monotonic() + max(HEADER_READ_TIMEOUT / 1000, request_buffer.BODY_TIMEOUT) + 1
        while time.monotonic() < end:
            started = time.monotonic()
            http_client.get("/health/live").expect()
            http_client.post("/auth/login", {"email": "unknown@example.com"}).expect(422)
            assert time.monotonic() - started < MAX_LATENCY
            time.sleep(0.5)

        for client in slow:
            client.settimeout(5)
            _receive_all(client)  # returns because the server has closed the connection


def test_concurrent_logins_beyond_capacity_return_503(tmp_path: Path) -> None:
    """If logins could occupy all threads, a burst would wait before the hashing queue, which rejects requests."""
    with (
        serve_folder(tmp_path, DATABASE_POOL_SIZE="1", TRUSTED_PROXIES="127.0.0.1") as shell,
        ThreadPoolExecutor(8) as threads,
    ):
        statuses = list(threads.map(lambda number: _login_status(shell.port, f"192.0.2.{number}"), range(8)))

    assert set(statuses) == {401, 503}


def _login_status(port: int, network: str) -> int:
    with closing(HttpClient(port, network)) as http_client:
        return http_client.post("/auth/login", {"email": "unknown@example.com", "password": "not the password"}).status


def test_file_descriptor_limit_exceeds_max_connections(tmp_path: Path) -> None:
    """Otherwise clients that hold all connections leave no descriptors for the database. Granian raises the limit."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limits[1]))
    port = free_port()
    with Workspace(tmp_path).start("flaskauth", "serve", "--port", str(port)) as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        server.wait_until(lambda: _accepts_connections(port))
        [process, *_] = server.children()

        assert resource.prlimit(process, resource.RLIMIT_NOFILE)[0] > 2 * MAX_CONNECTIONS


def _open_and_send(stack: ExitStack, port: int, request: bytes) -> socket.socket:
    client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=30)))
    client.sendall(request)
    return client


def test_body_sent_in_pieces_is_reassembled(port: int) -> None:
    assert request_echo(port, post(6), b"abc", b"def", pause=0.3)["size"] == 6
    assert request_echo(port, post(None), chunk(b"abc"), chunk(b"def"), b"0\r\n\r\n", pause=0.3)["size"] == 6
    assert request_echo(port, post(0))["size"] == 0


def test_body_cut_off_by_client_is_rejected_with_400(port: int) -> None:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
        client.sendall(post(6) + b"abc")
        client.shutdown(socket.SHUT_WR)
        _, _, body = _receive_all(client).partition(b"\r\n\r\n")

    assert json.loads(body)["size"] == -400


def test_multipart_upload_may_exceed_the_json_limit(port: int) -> None:
    raw = b"x" * (2 * MIB)

    assert request_echo(port, post(len(raw), b"multipart/form-data; boundary=b"), raw)["size"] == len(raw)
    assert request_echo(port, post(None, b"multipart/form-data; boundary=b"), chunk(raw), b"0\r\n\r\n")["size"] == len(
        raw
    )


def test_large_upload_without_free_slot_returns_503(port: int) -> None:
    """Slow uploads hold all slots; small bodies need no slot."""
    kind, raw = b"multipart/form-data; boundary=b", b"x" * MIB
    with ExitStack() as connections:
        for _ in range(request_buffer.MAX_CONCURRENT_UPLOADS):
            _open_and_send(connections, port, post(2 * MIB, kind) + raw)
        assert request_echo(port, post(6), b"abcdef")["size"] == 6
        assert request_echo(port, post(MIB, kind), raw)["size"] == -503

    assert request_echo(port, post(MIB, kind), raw)["size"] == MIB


def test_declared_length_over_limit_is_413_before_reading(port: int) -> None:
    assert request_echo(port, post(request_buffer.MAX_SMALL_BODY + 1))["size"] == -413
    assert (
        request_echo(port, post(request_buffer.MAX_UPLOAD_BODY + 1, b"multipart/form-data; boundary=b"))["size"] == -413
    )


def test_endless_chunked_body_is_cut_off_at_the_limit(port: int) -> None:
    assert (
        request_buffer.MAX_SMALL_BODY
        <= request_echo(port, post(None), chunk(b"x" * request_buffer.MAX_SMALL_BODY))["size"]
        < request_buffer.MAX_SMALL_BODY + MIB
    )


def test_get_request_does_not_wait_behind_slow_posts(port: int) -> None:
    with ExitStack() as connections:
        for _ in range(10):
            _open_and_send(connections, port, b"POST /held?0.3 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.2)
        started = time.monotonic()
        request_echo(port, b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert time.monotonic() - started < 2.5  # the last POST is processed after 3 seconds


def test_forwarded_for_header_spoofing_has_no_effect(port: int) -> None:
    headers = b"X_Forwarded_For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-For: 3.3.3.3\r\n"
    environ = request_echo(port, b"GET /a%20b?c=d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + headers + b"\r\n")

    assert environ["HTTP_X_FORWARDED_FOR"] == "2.2.2.2,3.3.3.3"
    assert (environ["PATH_INFO"], environ["QUERY_STRING"], environ["REMOTE_ADDR"]) == ("/a b", "c=d", "127.0.0.1")


@pytest.mark.parametrize("length", [1, 3])
def test_response_without_content_length_is_complete(port: int, length: int) -> None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", f"/long?{length}")
        response = connection.getresponse()
        raw = response.read()

    assert raw == b"".join(bytes([65 + number]) * MIB for number in range(length))
    assert (response.getheader("Transfer-Encoding") == "chunked") == (length > 1)
