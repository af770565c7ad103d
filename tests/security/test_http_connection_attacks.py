"""M: raw connections to a server process and to nginx in front of it."""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.processes import Workspace
from tests.security.raw_http import HELLO_REQUEST, HOST_HEADER, ServerUnderTest, build_post
from tests.servers import Nginx, free_port

BIT_FLIP_ROUNDS = 400
NGINX_SITE = """
server {{
    listen 443;
    location / {{
        proxy_pass http://127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header X-Forwarded-For $remote_addr;
    }}
}}
"""
SMUGGLED_REQUEST = b"GET /countries HTTP/1.1\r\n" + HOST_HEADER + b"\r\n"
CHUNKED_HEADER = b"Transfer-Encoding: chunked"
JSON_BODY = b'{"surprise":1}'
SMUGGLING_REQUESTS = {
    "two Content-Length headers": build_post(
        "/auth/resend", b"Content-Length: 14", b"Content-Length: 5", body=JSON_BODY + SMUGGLED_REQUEST
    ),
    "list of lengths": build_post("/auth/resend", b"Content-Length: 14, 14", body=JSON_BODY + SMUGGLED_REQUEST),
    "signed length": build_post("/auth/resend", b"Content-Length: +14", body=JSON_BODY + SMUGGLED_REQUEST),
    "negative length": build_post("/auth/resend", b"Content-Length: -14", body=JSON_BODY + SMUGGLED_REQUEST),
    "hexadecimal length": build_post("/auth/resend", b"Content-Length: 0xe", body=JSON_BODY + SMUGGLED_REQUEST),
    "length overflow": build_post("/auth/resend", b"Content-Length: " + b"9" * 30, body=JSON_BODY + SMUGGLED_REQUEST),
    "space before the colon": build_post("/auth/resend", b"Content-Length : 14", body=JSON_BODY + SMUGGLED_REQUEST),
    "xchunked": build_post("/auth/resend", b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + SMUGGLED_REQUEST),
    "chunked, identity": build_post(
        "/auth/resend", b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + SMUGGLED_REQUEST
    ),
    "Content-Length and chunked": build_post(
        "/auth/resend", b"Content-Length: 4", CHUNKED_HEADER, body=b"0\r\n\r\n" + SMUGGLED_REQUEST
    ),
    "non-numeric chunk size": build_post(
        "/auth/resend", CHUNKED_HEADER, body=b"zz\r\n" + JSON_BODY + b"\r\n0\r\n\r\n" + SMUGGLED_REQUEST
    ),
    "chunk size with 0x": build_post(
        "/auth/resend", CHUNKED_HEADER, body=b"0xe\r\n" + JSON_BODY + b"\r\n0\r\n\r\n" + SMUGGLED_REQUEST
    ),
    "negative chunk size": build_post(
        "/auth/resend", CHUNKED_HEADER, body=b"-e\r\n" + JSON_BODY + b"\r\n0\r\n\r\n" + SMUGGLED_REQUEST
    ),
    "chunk size overflow": build_post(
        "/auth/resend", CHUNKED_HEADER, body=b"f" * 17 + b"\r\n" + JSON_BODY + b"\r\n0\r\n\r\n" + SMUGGLED_REQUEST
    ),
    "chunk longer than its size": build_post(
        "/auth/resend", CHUNKED_HEADER, body=b"5\r\n" + JSON_BODY + b"\r\n0\r\n\r\n" + SMUGGLED_REQUEST
    ),
    "chunked in HTTP/1.0": build_post("/auth/resend", CHUNKED_HEADER, body=b"0\r\n\r\n" + SMUGGLED_REQUEST).replace(
        b"1.1", b"1.0", 1
    ),
    "folded header": b"GET /hello HTTP/1.1\r\n" + HOST_HEADER + b"X: a\r\n b: c\r\n\r\n",
    "bare CR": b"GET /hello HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
    "NUL": b"GET /hello HTTP/1.1\r\n" + HOST_HEADER + b"X: a\x00b\r\n\r\n",
    "header without a name": b"GET /hello HTTP/1.1\r\n" + HOST_HEADER + b": x\r\n\r\n",
    "HTTP/9.9": b"GET /hello HTTP/9.9\r\n" + HOST_HEADER + b"\r\n",
    "no version": b"GET /hello\r\n\r\n",
    "999 headers": b"GET /hello HTTP/1.1\r\n"
    + HOST_HEADER
    + b"".join(b"X-%d: y\r\n" % n for n in range(999))
    + b"\r\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerUnderTest]:
    port, folder = free_port(), tmp_path_factory.mktemp("served")
    words = ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    with Workspace(Path(folder), {"TRUSTED_PROXIES": "127.0.0.1"}).start(*words) as running:
        running.wait_for_output("is running at")
        with Nginx(NGINX_SITE.format(port=port)) as nginx:
            yield ServerUnderTest(running, port, nginx.port)


@pytest.fixture(autouse=True)
def server_stays_healthy(server: ServerUnderTest) -> Iterator[None]:
    """Check that the same processes still serve, and logged no unhandled exception."""
    before = server.process.children()
    yield
    assert server.is_serving()
    assert server.is_serving(server.nginx_port)
    assert server.process.children() == before
    lines = [line for line in server.process.output.split("\n") if line.startswith("{")]
    assert [line for line in map(json.loads, lines) if line["event"] == "unhandled_exception"] == []
    assert not {"panicked", "Traceback"} & set(server.process.output.split())


@pytest.mark.parametrize("route", ["direct", "through nginx"])
def test_m01_request_smuggling_is_rejected(server: ServerUnderTest, route: str) -> None:
    for description, raw in SMUGGLING_REQUESTS.items():
        response = server.exchange(raw, server.nginx_port if route == "through nginx" else None)
        status = response.partition(b"\r\n")[0]
        assert (
            b" 400 " in status or b" 431 " in status or b" 501 " in status or not response.startswith(b"HTTP/1.1 2")
        ), f"{description}: {response!r}"
        assert response.count(b"HTTP/1.") <= 1, f"{description}: {response!r}"
        assert b"Nigeria" not in response, description


def test_m03_underscore_headers_are_dropped_by_nginx(server: ServerUnderTest) -> None:
    """nginx drops them before anything can read them as the header with a hyphen."""
    forged = (
        b"X_Forwarded_For: 6.6.6.6",
        b"x_forwarded-for: 6.6.6.6",
        b"X-Forwarded-For: 6.6.6.6",
        b"Content-Length: 2",
    )
    for order in (forged, forged[::-1]):
        response = server.exchange(
            build_post("/auth/register", *order, b"Connection: close", body=b"{}"), server.nginx_port
        )
        assert b" 422 " in response.partition(b"\r\n")[0]
    assert "6.6.6" not in server.process.output


def test_m09_forged_host_on_raw_connection_is_not_reflected(server: ServerUnderTest) -> None:
    for lines in (
        b"",
        b"Host: evil.example\r\nHost: other.example\r\n",
        b"Host: \r\n",
        b"Host: evil.example:99999\r\n",
    ):
        for target in (b"/docs", b"http://evil.example/docs", b"/", b"*", b"evil.example:443"):
            for method in (b"GET", b"OPTIONS", b"CONNECT"):
                response = server.exchange(
                    method + b" " + target + b" HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n"
                )
                assert not response.startswith(b"HTTP/1.1 5"), response
                assert b"evil" not in response, response
                assert b"ocation:" not in response, response


def test_a11_oversized_content_length_is_rejected_unread(server: ServerUnderTest) -> None:
    for length in (70_000, 10**7, 10**9, 2**62):
        for extra_headers in ((), (b"Expect: 100-continue",)):
            started_at = time.monotonic()
            response = server.exchange(build_post("/auth/resend", b"Content-Length: %d" % length, *extra_headers))
            assert response.startswith(b"HTTP/1.1 413 "), response
            assert time.monotonic() - started_at < 5  # a server that reads the body waits for 10 seconds


def test_a25_requests_with_flipped_bits_cause_no_500(server: ServerUnderTest) -> None:
    """Send 400 mutated requests from a fixed seed. `make test-slow SUITE=fuzz` runs an open-ended version."""
    rng = random.Random(25)
    requests = [
        build_post(
            "/auth/login",
            b"Content-Length: 46",
            b"Connection: close",
            body=b'{"email": "a@example.com", "password": "xyz"}\n',
        ),
        b"GET /users/profile HTTP/1.1\r\n" + HOST_HEADER + b"Authorization: Bearer a.b.c\r\nConnection: close\r\n\r\n",
        build_post("/auth/resend", CHUNKED_HEADER, b"Connection: close", body=b"e\r\n" + JSON_BODY + b"\r\n0\r\n\r\n"),
    ]
    for number in range(BIT_FLIP_ROUNDS):
        raw = bytearray(requests[number % len(requests)])
        for _ in range(rng.randint(1, 6)):
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        with server.connect() as connection:
            connection.settimeout(0.05)
            connection.sendall(raw)
            try:
                response = connection.recv(65536)
            except (TimeoutError, ConnectionError):
                continue
        assert not response.startswith(b"HTTP/1.1 5"), (bytes(raw), response)


def test_m13_slowloris_headers_do_not_block_other_clients(server: ServerUnderTest) -> None:
    connections = [server.connect() for _ in range(500)]
    for number, connection in enumerate(connections):
        connection.sendall(
            [b"GET /hello HTTP/1.1\r\nHost: x\r\nX-", b"", b"POST", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"][number % 4]
        )
    started_at = time.monotonic()
    assert all(server.is_serving() for _ in range(20))
    assert time.monotonic() - started_at < 5
    for connection in connections:
        connection.close()


def test_m13_slow_bodies_behind_nginx_do_not_block_clients(server: ServerUnderTest) -> None:
    connections = [server.connect(server.nginx_port) for _ in range(200)]
    for connection in connections:
        connection.sendall(build_post("/auth/verify", b"Content-Length: 100", body=b"{"))
    assert all(server.is_serving() and server.is_serving(server.nginx_port) for _ in range(10))
    for connection in connections:
        connection.close()


def test_m17_protocol_upgrades_are_ignored(server: ServerUnderTest) -> None:
    for upgrade in (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n",
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
    ):
        response = server.exchange(b"GET /hello HTTP/1.1\r\n" + HOST_HEADER + upgrade + b"Connection: close\r\n\r\n")
        assert response.startswith(b"HTTP/1.1 200 "), response
    assert b"server: granian/" not in server.exchange(HELLO_REQUEST).lower()
