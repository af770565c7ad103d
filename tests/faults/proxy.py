"""A TCP proxy that does what networks do: it is slow, silent, or hangs up, also at a chosen word of the client."""

import re
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from tests.servers import free_port

CHUNK = 65536
TURN = 0.02  # seconds after which a connection looks again at what was asked of it
RESET = struct.pack("ii", 1, 0)  # SO_LINGER that turns the end of a connection into a reset

Hears = Callable[[bytes], bool]
_COMMIT = re.compile(rb"\x07\0\0\0\x03commit", re.IGNORECASE)
_TRADE = re.compile(rb"\x03UPDATE sessions SET [^;]*generation", re.IGNORECASE)


def is_commit(said: bytes) -> bool:
    """Whether a client of MySQL says COM_QUERY "COMMIT"."""
    return _COMMIT.search(said) is not None


def is_trade(said: bytes) -> bool:
    """Whether it trades a refresh token, which is one statement that commits by itself."""
    return _TRADE.search(said) is not None


@dataclass(frozen=True)
class _Trick:
    """What becomes of a connection when its client says something."""

    hears: Hears
    at_answer: bool  # once the server has answered to it; else before it hears of it
    by_silence: bool = False  # of everybody, until it is healed
    chance: Callable[[], bool] = lambda: True


class FaultProxy:
    """Passes a port on to another. What it does besides may be changed at any time, for all connections at once."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.target = target
        self.delay = 0.0  # seconds, in each direction
        self.is_silent = False  # takes bytes and connections, and gives nothing
        self.cuts = 0
        self._trick: _Trick | None = None
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listener.settimeout(TURN)
        self._is_open = True
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def cut_before(self, hears: Hears, chance: Callable[[], bool] = lambda: True) -> None:
        """Hang up when the client says something, before the server hears of it."""
        self._trick = _Trick(hears, at_answer=False, chance=chance)

    def cut_after(self, hears: Hears, chance: Callable[[], bool] = lambda: True) -> None:
        """Hang up when the server has answered to it, before the client hears of that."""
        self._trick = _Trick(hears, at_answer=True, chance=chance)

    def silence_before(self, hears: Hears) -> None:
        """Fall silent when the client says something, before the server hears of it."""
        self._trick = _Trick(hears, at_answer=False, by_silence=True)

    def silence_after(self, hears: Hears) -> None:
        """Fall silent when the server has answered to it, before the client hears of that."""
        self._trick = _Trick(hears, at_answer=True, by_silence=True)

    def heal(self) -> None:
        """Be a wire again. What was swallowed stays lost: connections that were silent are reset."""
        was_silent, self.is_silent, self.delay, self._trick = self.is_silent, False, 0.0, None
        if was_silent:
            self.reset()

    def reset(self) -> int:
        """Reset every connection; how many there were."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.is_doomed = True
        return len(links)

    def trick_at(self, said: bytes) -> _Trick | None:
        """What is to be done at these words."""
        trick = self._trick
        if trick and trick.hears(said) and trick.chance():
            self.cuts += 1
            return trick
        return None

    def gone(self, link: "_Link") -> None:
        with self._lock:
            self._links.discard(link)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_open = False
        self.reset()
        self._thread.join()
        self._listener.close()

    def _listen(self) -> None:
        while self._is_open:
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                link = _Link(self, client)
                with self._lock:
                    self._links.add(link)
                threading.Thread(target=link.run, daemon=True).start()


class _Link:
    """One connection, with a thread of its own."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self.is_doomed = False
        self._proxy = proxy
        self._client = client
        self._server: socket.socket | None = None
        self._at_answer: _Trick | None = None

    def run(self) -> None:
        with suppress(OSError):
            self._wait_while_silent()
            self._server = socket.create_connection(("127.0.0.1", self._proxy.target), 5)
            with selectors.DefaultSelector() as ready:
                ready.register(self._client, selectors.EVENT_READ, self._server)
                ready.register(self._server, selectors.EVENT_READ, self._client)
                while not self.is_doomed and all([self._pass(key) for key, _ in ready.select(TURN)]):
                    self._wait_while_silent()
        self._hang_up()

    def _wait_while_silent(self) -> None:
        while self._proxy.is_silent and not self.is_doomed:
            time.sleep(TURN)

    def _pass(self, key: selectors.SelectorKey) -> bool:
        """Whether the connection goes on."""
        source, goal = key.fileobj, key.data
        assert isinstance(source, socket.socket)
        said = source.recv(CHUNK)
        if not said or self.is_doomed:
            return False
        if source is self._client:
            trick = self._proxy.trick_at(said)
            if trick and not trick.at_answer:
                return self._played(trick)
            self._at_answer = self._at_answer or trick
        elif self._at_answer:
            return self._played(self._at_answer)
        time.sleep(self._proxy.delay)
        goal.sendall(said)
        return True

    def _played(self, trick: _Trick) -> bool:
        if trick.by_silence:
            self._proxy.is_silent = True
            self._wait_while_silent()
        return False

    def _hang_up(self) -> None:
        self._proxy.gone(self)
        for end in (self._client, self._server):
            if end:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.close()
