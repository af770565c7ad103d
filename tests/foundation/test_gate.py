"""Whoever sends slowly keeps nobody else waiting: neither by headers nor by bodies."""

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
from tests.documentation.shells import served
from tests.foundation.gated import MIB
from tests.journeys.processes import Place
from tests.journeys.visitors import Visitor
from tests.servers import free_port

from flaskauth.foundation import gate
from flaskauth.serving import CONNECTIONS, HEADERS_WITHIN

ROOT = Path(__file__).parents[2]
HEAD = b"POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
UPLOAD = b"PUT /users/avatar HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
SLOW = {
    "a head that does not end": HEAD,
    "a body that does not end": HEAD + b"Content-Length: 100\r\n\r\n{",
    "a body in chunks that do not come": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "an upload that does not end": UPLOAD + b"Content-Length: 4000000\r\n\r\n--b",
}
EACH = 75  # 300 in all; the server has 4 threads
QUICK = 1.0  # seconds, on a busy machine; it was for ever


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where the application of `gated` answers."""
    found = free_port()
    place = Place(tmp_path_factory.mktemp("gate"))
    words = ("granian", "--interface", "rsgi", "--factory", "--no-ws", "--working-dir", str(ROOT), "--port", str(found))
    with place.start(*words, "tests.foundation.gated:gate") as server:
        server.wait_until(lambda: _answers(found))
        yield found


def _answers(port: int) -> bool:
    with closing(socket.socket()) as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, sent: bytes, *more: bytes, pause: float = 0.0) -> Any:
    """What the application was asked by these bytes; the later ones come after a pause."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
        client.sendall(sent)
        for piece in more:
            time.sleep(pause)
            client.sendall(piece)
        head, _, body = _all(client).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        return json.loads(body)


def _all(client: socket.socket) -> bytes:
    received = b""
    while piece := client.recv(65_536):
        received += piece
    return received


def post(length: int | None, kind: bytes = b"application/json") -> bytes:
    announced = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return b"POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: %s\r\n%s\r\n\r\n" % (kind, announced)


def chunk(raw: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(raw), raw)


def test_hundreds_of_slow_senders_keep_nobody_waiting_and_are_hung_up_on(tmp_path: Path) -> None:
    with (
        served(tmp_path, DATABASE_POOL_SIZE="2", TRUSTED_PROXIES="127.0.0.1") as shell,
        closing(Visitor(shell.port, "192.0.2.7")) as visitor,
        ExitStack() as held,
    ):
        slow = [_held(held, shell.port, sent) for sent in SLOW.values() for _ in range(EACH)]
        end = time.monotonic() + max(HEADERS_WITHIN / 1000, gate.BODY_WITHIN) + 1
        while time.monotonic() < end:
            began = time.monotonic()
            visitor.get("/health/live").expect()
            visitor.post("/auth/login", {"email": "nobody@example.com"}).expect(422)
            assert time.monotonic() - began < QUICK
            time.sleep(0.5)

        for client in slow:
            client.settimeout(5)
            _all(client)  # ends: the server has hung up


def test_passwords_that_wait_leave_a_thread_to_tell_the_next_to_come_again(tmp_path: Path) -> None:
    """If they held every one, a storm would wait before the queue, where nothing is counted and nobody sent away."""
    with served(tmp_path, DATABASE_POOL_SIZE="1", TRUSTED_PROXIES="127.0.0.1") as shell, ThreadPoolExecutor(8) as many:
        statuses = list(many.map(lambda number: _signs_in(shell.port, f"192.0.2.{number}"), range(8)))

    assert set(statuses) == {401, 503}


def _signs_in(port: int, network: str) -> int:
    with closing(Visitor(port, network)) as visitor:
        return visitor.post("/auth/login", {"email": "nobody@example.com", "password": "not the password"}).status


def test_a_process_may_open_more_files_than_it_has_connections(tmp_path: Path) -> None:
    """Else senders who hold every connection would leave none for the database. Granian sees to it."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, usual[1]))
    port = free_port()
    with Place(tmp_path).start("flaskauth", "serve", "--port", str(port)) as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
        server.wait_until(lambda: _answers(port))
        [process, *_] = server.children()

        assert resource.prlimit(process, resource.RLIMIT_NOFILE)[0] > 2 * CONNECTIONS


def _held(stack: ExitStack, port: int, sent: bytes) -> socket.socket:
    client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=30)))
    client.sendall(sent)
    return client


def test_a_body_that_comes_in_pieces_is_put_together(port: int) -> None:
    assert ask(port, post(6), b"abc", b"def", pause=0.3)["size"] == 6
    assert ask(port, post(None), chunk(b"abc"), chunk(b"def"), b"0\r\n\r\n", pause=0.3)["size"] == 6
    assert ask(port, post(0))["size"] == 0


def test_a_body_that_breaks_off_is_none(port: int) -> None:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
        client.sendall(post(6) + b"abc")
        client.shutdown(socket.SHUT_WR)
        _, _, body = _all(client).partition(b"\r\n\r\n")

    assert json.loads(body)["size"] == -400


def test_an_upload_may_be_larger_than_other_bodies(port: int) -> None:
    raw = b"x" * (2 * MIB)

    assert ask(port, post(len(raw), b"multipart/form-data; boundary=b"), raw)["size"] == len(raw)
    assert ask(port, post(None, b"multipart/form-data; boundary=b"), chunk(raw), b"0\r\n\r\n")["size"] == len(raw)


def test_who_finds_no_place_for_an_upload_is_told_to_come_again(port: int) -> None:
    """Those who hold the places send slowly; what is small needs none."""
    kind, raw = b"multipart/form-data; boundary=b", b"x" * MIB
    with ExitStack() as held:
        for _ in range(gate.LARGE_AT_ONCE):
            _held(held, port, post(2 * MIB, kind) + raw)
        assert ask(port, post(6), b"abcdef")["size"] == 6
        assert ask(port, post(MIB, kind), raw)["size"] == -503

    assert ask(port, post(MIB, kind), raw)["size"] == MIB


def test_what_is_announced_to_be_too_large_is_not_even_awaited(port: int) -> None:
    assert ask(port, post(gate.SMALL + 1))["size"] == -413
    assert ask(port, post(gate.LARGE + 1, b"multipart/form-data; boundary=b"))["size"] == -413


def test_chunks_without_end_are_cut_where_they_are_too_many(port: int) -> None:
    assert gate.SMALL <= ask(port, post(None), chunk(b"x" * gate.SMALL))["size"] < gate.SMALL + MIB


def test_whoever_only_looks_does_not_wait_behind_those_who_write(port: int) -> None:
    with ExitStack() as held:
        for _ in range(10):
            _held(held, port, b"POST /held?0.3 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.2)
        began = time.monotonic()
        ask(port, b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert time.monotonic() - began < 1.5  # the last of the others is answered after three


def test_a_proxy_s_header_cannot_be_forged_by_an_underscore_or_by_a_second_line(port: int) -> None:
    lines = b"X_Forwarded_For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-For: 3.3.3.3\r\n"
    told = ask(port, b"GET /a%20b?c=d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + lines + b"\r\n")

    assert told["HTTP_X_FORWARDED_FOR"] == "2.2.2.2,3.3.3.3"
    assert (told["PATH_INFO"], told["QUERY_STRING"], told["REMOTE_ADDR"]) == ("/a b", "c=d", "127.0.0.1")


@pytest.mark.parametrize("length", [1, 3])
def test_an_answer_without_a_length_comes_whole(port: int, length: int) -> None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", f"/long?{length}")
        answer = connection.getresponse()
        raw = answer.read()

    assert raw == b"".join(bytes([65 + number]) * MIB for number in range(length))
    assert (answer.getheader("Transfer-Encoding") == "chunked") == (length > 1)
