"""The proxy of `make faults` is a wire until it is told to be slow, silent, or to hang up."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.faults.proxy import FaultProxy, is_commit, is_trade

COMMIT = b"\x07\0\0\0\x03COMMIT"


class Echo:
    """A server that says everything again, and keeps what it heard."""

    def __init__(self) -> None:
        self.heard = b""
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
            while said := connection.recv(1000):
                self.heard += said
                connection.sendall(said)


@pytest.fixture
def echo() -> Iterator[Echo]:
    found = Echo()
    yield found
    found.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultProxy]:
    with FaultProxy(echo.port) as found:
        yield found


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as found:
        assert said(found, b"hello") == b"hello"
        yield found


def said(client: socket.socket, words: bytes) -> bytes:
    """What comes back; nothing where the connection ends."""
    with suppress(ConnectionError):
        client.sendall(words)
        return client.recv(1000)
    return b""


def test_a_delay_holds_both_directions(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.delay = 0.1

    began = time.monotonic()
    assert said(client, b"slow") == b"slow"
    assert time.monotonic() - began >= 0.2


def test_silence_swallows_words_and_connections_until_it_is_healed(proxy: FaultProxy, client: socket.socket) -> None:
    proxy.is_silent = True
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        said(client, b"anybody?")

    proxy.heal()

    client.settimeout(5)
    assert said(client, b"again") == b""
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as another:
        assert said(another, b"well") == b"well"


def test_a_reset_ends_every_connection(proxy: FaultProxy, client: socket.socket) -> None:
    assert proxy.reset() == 1

    assert said(client, b"still there?") == b""


def test_a_cut_before_keeps_the_words_from_the_server(proxy: FaultProxy, client: socket.socket, echo: Echo) -> None:
    proxy.cut_before(is_commit)

    assert said(client, COMMIT) == b""
    assert (COMMIT in echo.heard, proxy.cuts) == (False, 1)


def test_a_cut_after_keeps_only_the_answer_back(proxy: FaultProxy, client: socket.socket, echo: Echo) -> None:
    proxy.cut_after(is_commit)

    assert said(client, b"other words") == b"other words"
    assert said(client, COMMIT) == b""
    assert (COMMIT in echo.heard, proxy.cuts) == (True, 1)


@pytest.mark.parametrize("words", [COMMIT, b"\x07\0\0\0\x03commit"])
def test_a_commit_is_known_in_the_words_of_either_driver(words: bytes) -> None:
    assert is_commit(words)
    assert not is_commit(b"\x0f\0\0\0\x03SELECT 'COMMIT'")


def test_the_trade_of_a_refresh_token_is_known() -> None:
    assert is_trade(b"\x80\0\0\0\x03UPDATE sessions SET generation=(sessions.generation + 1), traded_at='x' WHERE 1")
    assert not is_trade(b"\x80\0\0\0\x03UPDATE users SET locale='en'")
