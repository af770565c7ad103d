"""M: what is said on a connection, to a server process and to an nginx before it."""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attacks.connections import HELLO, HOST, Served, post
from tests.journeys.processes import Place
from tests.servers import Nginx, free_port

ROUNDS = 400
SITE = """
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
SMUGGLED = b"GET /countries HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked"
BODY = b'{"surprise":1}'
SMUGGLING = {
    "two lengths": post("/auth/resend", b"Content-Length: 14", b"Content-Length: 5", body=BODY + SMUGGLED),
    "a list of lengths": post("/auth/resend", b"Content-Length: 14, 14", body=BODY + SMUGGLED),
    "a length with a sign": post("/auth/resend", b"Content-Length: +14", body=BODY + SMUGGLED),
    "a negative length": post("/auth/resend", b"Content-Length: -14", body=BODY + SMUGGLED),
    "a length in another base": post("/auth/resend", b"Content-Length: 0xe", body=BODY + SMUGGLED),
    "a length beyond numbers": post("/auth/resend", b"Content-Length: " + b"9" * 30, body=BODY + SMUGGLED),
    "a length, a space, a colon": post("/auth/resend", b"Content-Length : 14", body=BODY + SMUGGLED),
    "xchunked": post("/auth/resend", b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + SMUGGLED),
    "chunked, identity": post("/auth/resend", b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + SMUGGLED),
    "length and chunks": post("/auth/resend", b"Content-Length: 4", CHUNKED, body=b"0\r\n\r\n" + SMUGGLED),
    "a chunk that is no number": post("/auth/resend", CHUNKED, body=b"zz\r\n" + BODY + b"\r\n0\r\n\r\n" + SMUGGLED),
    "a chunk with a prefix": post("/auth/resend", CHUNKED, body=b"0xe\r\n" + BODY + b"\r\n0\r\n\r\n" + SMUGGLED),
    "a negative chunk": post("/auth/resend", CHUNKED, body=b"-e\r\n" + BODY + b"\r\n0\r\n\r\n" + SMUGGLED),
    "a chunk beyond numbers": post(
        "/auth/resend", CHUNKED, body=b"f" * 17 + b"\r\n" + BODY + b"\r\n0\r\n\r\n" + SMUGGLED
    ),
    "a chunk that is longer": post("/auth/resend", CHUNKED, body=b"5\r\n" + BODY + b"\r\n0\r\n\r\n" + SMUGGLED),
    "chunks in HTTP/1.0": post("/auth/resend", CHUNKED, body=b"0\r\n\r\n" + SMUGGLED).replace(b"1.1", b"1.0", 1),
    "a folded line": b"GET /hello HTTP/1.1\r\n" + HOST + b"X: a\r\n b: c\r\n\r\n",
    "a bare CR": b"GET /hello HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
    "a NUL": b"GET /hello HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
    "a header without a name": b"GET /hello HTTP/1.1\r\n" + HOST + b": x\r\n\r\n",
    "HTTP/9.9": b"GET /hello HTTP/9.9\r\n" + HOST + b"\r\n",
    "no version": b"GET /hello\r\n\r\n",
    "a hundred headers too many": b"GET /hello HTTP/1.1\r\n"
    + HOST
    + b"".join(b"X-%d: y\r\n" % n for n in range(999))
    + b"\r\n",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    port, folder = free_port(), tmp_path_factory.mktemp("served")
    words = ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    with Place(Path(folder), {"TRUSTED_PROXIES": "127.0.0.1"}).start(*words) as running:
        running.wait_for("answers at")
        with Nginx(SITE.format(port=port)) as nginx:
            yield Served(running, port, nginx.port)


@pytest.fixture(autouse=True)
def unharmed(served: Served) -> Iterator[None]:
    """The same processes serve afterwards; nothing was an accident, and every line of the log is one."""
    before = served.running.children()
    yield
    assert served.answers()
    assert served.answers(served.nginx)
    assert served.running.children() == before
    lines = [line for line in served.running.said.split("\n") if line.startswith("{")]
    assert [line for line in map(json.loads, lines) if line["event"] == "accident"] == []
    assert not {"panicked", "Traceback"} & set(served.running.said.split())


@pytest.mark.parametrize("way", ["direct", "by nginx"])
def test_m01_a_second_request_that_hides_in_a_first(served: Served, way: str) -> None:
    for what, raw in SMUGGLING.items():
        said = served.says(raw, served.nginx if way == "by nginx" else None)
        status = said.partition(b"\r\n")[0]
        assert b" 400 " in status or b" 431 " in status or b" 501 " in status or not said.startswith(b"HTTP/1.1 2"), (
            f"{what}: {said!r}"
        )
        assert said.count(b"HTTP/1.") <= 1, f"{what}: {said!r}"
        assert b"Nigeria" not in said, what


def test_m03_headers_with_underscores(served: Served) -> None:
    """nginx leaves them out, before anything could take them for the header with a hyphen."""
    forged = (
        b"X_Forwarded_For: 6.6.6.6",
        b"x_forwarded-for: 6.6.6.6",
        b"X-Forwarded-For: 6.6.6.6",
        b"Content-Length: 2",
    )
    for order in (forged, forged[::-1]):
        said = served.says(post("/auth/register", *order, b"Connection: close", body=b"{}"), served.nginx)
        assert b" 422 " in said.partition(b"\r\n")[0]
    assert "6.6.6" not in served.running.said


def test_m09_hosts_on_a_connection(served: Served) -> None:
    for lines in (
        b"",
        b"Host: evil.example\r\nHost: other.example\r\n",
        b"Host: \r\n",
        b"Host: evil.example:99999\r\n",
    ):
        for target in (b"/docs", b"http://evil.example/docs", b"/", b"*", b"evil.example:443"):
            for method in (b"GET", b"OPTIONS", b"CONNECT"):
                said = served.says(method + b" " + target + b" HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n")
                assert not said.startswith(b"HTTP/1.1 5"), said
                assert b"evil" not in said, said
                assert b"ocation:" not in said, said


def test_a11_a_body_that_is_announced_and_never_comes(served: Served) -> None:
    for length in (70_000, 10**7, 10**9, 2**62):
        for more in ((), (b"Expect: 100-continue",)):
            began = time.monotonic()
            said = served.says(post("/auth/resend", b"Content-Length: %d" % length, *more))
            assert said.startswith(b"HTTP/1.1 413 "), said
            assert time.monotonic() - began < 2


def test_a25_requests_with_broken_bits(served: Served) -> None:
    """A few hundred, always the same; `make fuzz` goes on for as long as one likes."""
    chance = random.Random(25)
    whole = [
        post(
            "/auth/login",
            b"Content-Length: 46",
            b"Connection: close",
            body=b'{"email": "a@example.com", "password": "xyz"}\n',
        ),
        b"GET /users/profile HTTP/1.1\r\n" + HOST + b"Authorization: Bearer a.b.c\r\nConnection: close\r\n\r\n",
        post("/auth/resend", CHUNKED, b"Connection: close", body=b"e\r\n" + BODY + b"\r\n0\r\n\r\n"),
    ]
    for number in range(ROUNDS):
        raw = bytearray(whole[number % len(whole)])
        for _ in range(chance.randint(1, 6)):
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        with served.connected() as connection:
            connection.settimeout(0.05)
            connection.sendall(raw)
            try:
                said = connection.recv(65536)
            except (TimeoutError, ConnectionError):
                continue
        assert not said.startswith(b"HTTP/1.1 5"), (bytes(raw), said)


def test_m13_five_hundred_who_never_finish_their_headers(served: Served) -> None:
    slow = [served.connected() for _ in range(500)]
    for number, connection in enumerate(slow):
        connection.sendall(
            [b"GET /hello HTTP/1.1\r\nHost: x\r\nX-", b"", b"POST", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"][number % 4]
        )
    began = time.monotonic()
    assert all(served.answers() for _ in range(20))
    assert time.monotonic() - began < 5
    for connection in slow:
        connection.close()


def test_m13_bodies_that_never_come_are_waited_for_by_nginx(served: Served) -> None:
    slow = [served.connected(served.nginx) for _ in range(200)]
    for connection in slow:
        connection.sendall(post("/auth/verify", b"Content-Length: 100", body=b"{"))
    assert all(served.answers() and served.answers(served.nginx) for _ in range(10))
    for connection in slow:
        connection.close()


def test_m17_upgrades_on_a_connection(served: Served) -> None:
    for upgrade in (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n",
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
    ):
        said = served.says(b"GET /hello HTTP/1.1\r\n" + HOST + upgrade + b"Connection: close\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 200 "), said
    assert b"server: granian/" not in served.says(HELLO).lower()
