"""The fault proxy forwards data until a test makes it delay, fall silent or close connections."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.chaos.proxy import FaultProxy, is_commit, is_rotation

COMMIT = b"\x07\0\0\0\x03COMMIT"


class EchoServer:
    """A server that echoes and stores everything it receives."""

    def __init__(self) -> None:
        self.received = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(1000):
                self.received += data
                connection.sendall(data)


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: EchoServer) -> Iterator[FaultProxy]:
    with FaultProxy(echo.port) as fault_proxy:
        yield fault_proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        assert exchange(connection, b"hello") == b"hello"
        yield connection


def exchange(client: socket.socket, data: bytes) -> bytes:
    """Send data and return the response, or b"" if the connection is closed."""
    with suppress(ConnectionError):
        client.sendall(data)
        return client.recv(1000)
    return b""


def test_delay_applies_in_both_directions(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.delay = 0.1

    started_at = time.monotonic()
    assert exchange(client, b"slow") == b"slow"
    assert time.monotonic() - started_at >= 0.2


def test_silent_proxy_drops_data_until_healed(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.is_silent = True
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        exchange(client, b"hello?")

    proxy.heal()

    client.settimeout(5)
    assert exchange(client, b"again") == b""
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as other_connection:
        assert exchange(other_connection, b"well") == b"well"


def test_reset_closes_every_connection(proxy: FaultProxy, client: socket.socket) -> None:
    assert proxy.reset() == 1

    assert exchange(client, b"still there?") == b""


def test_cut_before_hides_the_request_from_the_server(
    proxy: FaultProxy, client: socket.socket, echo: EchoServer
) -> None:
    proxy.cut_before(is_commit)

    assert exchange(client, COMMIT) == b""
    assert (COMMIT in echo.received, proxy.cuts) == (False, 1)


def test_cut_after_hides_only_the_response(proxy: FaultProxy, client: socket.socket, echo: EchoServer) -> None:
    proxy.cut_after(is_commit)

    assert exchange(client, b"other words") == b"other words"
    assert exchange(client, COMMIT) == b""
    assert (COMMIT in echo.received, proxy.cuts) == (True, 1)


@pytest.mark.parametrize("data", [COMMIT, b"\x07\0\0\0\x03commit"])
def test_commit_is_recognised_from_both_drivers(data: bytes) -> None:
    assert is_commit(data)
    assert not is_commit(b"\x0f\0\0\0\x03SELECT 'COMMIT'")


def test_refresh_token_rotation_is_recognised() -> None:
    assert is_rotation(
        b"\x80\0\0\0\x03UPDATE sessions SET generation=(sessions.generation + 1), rotated_at='x' WHERE 1"
    )
    assert not is_rotation(b"\x80\0\0\0\x03UPDATE users SET locale='en'")
