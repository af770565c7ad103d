"""Reads that can take seconds (exports, avatars) do not occupy the threads of other reads."""

import socket
from contextlib import ExitStack, closing

import pytest
from tests.conftest import MakeApp
from tests.e2e.processes import RunningProcess

from flaskauth.server.request_buffer import SLOW_READS

SLOW_PATHS = {"/users/export": "/users/export", "/avatars/": "/avatars/Vn3kXq0aZt7LmPwR5sYd2g.webp"}
HELD = 16


def _open(port: int, method: str, path: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(f"{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    return client


def _exchange(port: int, method: str, path: str) -> bytes:
    with closing(_open(port, method, path)) as client:
        return _read_all(client)


def _read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65_536), b""))


def test_profile_is_answered_while_16_exports_are_held(echo_server: tuple[RunningProcess, int]) -> None:
    """The application holds the exports and avatars until it is told to release them."""
    _, port = echo_server
    with ExitStack() as connections:
        held = [
            connections.enter_context(closing(_open(port, method, path)))
            for method in ("GET", "HEAD")
            for path in SLOW_PATHS.values()
            for _ in range(HELD // 2)
        ]
        assert _exchange(port, "GET", "/users/profile").startswith(b"HTTP/1.1 200")
        assert _exchange(port, "POST", "/users/edit").startswith(b"HTTP/1.1 200")
        for client in held:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(1)
            client.settimeout(30)

        assert _exchange(port, "POST", "/release").startswith(b"HTTP/1.1 200")
        assert all(_read_all(client).startswith(b"HTTP/1.1 200") for client in held)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_slow_reads_are_routes_of_the_application(make_app: MakeApp) -> None:
    urls = make_app().url_map.bind("localhost")

    assert set(SLOW_PATHS) == set(SLOW_READS)
    for path in SLOW_PATHS.values():
        urls.match(path, method="GET")
