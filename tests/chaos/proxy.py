"""A TCP proxy that injects network faults: delay, silence, resets, also when the client sends a matching message."""

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
POLL_INTERVAL = 0.02  # seconds between checks for a requested reset or silence
RESET = struct.pack("ii", 1, 0)  # SO_LINGER value that resets the connection on close

Matcher = Callable[[bytes], bool]
_COMMIT = re.compile(rb"\x07\0\0\0\x03commit", re.IGNORECASE)
_ROTATION = re.compile(rb"\x03UPDATE sessions SET [^;]*generation", re.IGNORECASE)


def is_commit(data: bytes) -> bool:
    """Return True if a MySQL client sends COM_QUERY "COMMIT"."""
    return _COMMIT.search(data) is not None


def is_rotation(data: bytes) -> bool:
    """Return True if the statement rotates a refresh token. It commits by itself."""
    return _ROTATION.search(data) is not None


@dataclass(frozen=True)
class _Interruption:
    """The fault to inject when a client sends a matching message."""

    matches: Matcher
    after_response: bool  # after the server's response, else before the server receives the message
    silences: bool = False  # silence all connections until healed, instead of closing one
    should_apply: Callable[[], bool] = lambda: True


class FaultProxy:
    """Forwards a port. Its behaviour can be changed at any time, for all connections."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.target = target
        self.delay = 0.0  # seconds, in each direction
        self.is_silent = False  # accepts connections and data, and forwards nothing
        self.cuts = 0
        self._interruption: _Interruption | None = None
        self._connections: set[_ProxiedConnection] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._listener.settimeout(POLL_INTERVAL)
        self._is_open = True
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def cut_before(self, matcher: Matcher, should_apply: Callable[[], bool] = lambda: True) -> None:
        """Close the connection before the server receives a matching message."""
        self._interruption = _Interruption(matcher, after_response=False, should_apply=should_apply)

    def cut_after(self, matcher: Matcher, should_apply: Callable[[], bool] = lambda: True) -> None:
        """Close the connection after the server's response to a matching message, before the client receives it."""
        self._interruption = _Interruption(matcher, after_response=True, should_apply=should_apply)

    def silence_before(self, matcher: Matcher) -> None:
        """Fall silent before the server receives a matching message."""
        self._interruption = _Interruption(matcher, after_response=False, silences=True)

    def silence_after(self, matcher: Matcher) -> None:
        """Fall silent after the server's response to a matching message, before the client receives it."""
        self._interruption = _Interruption(matcher, after_response=True, silences=True)

    def heal(self) -> None:
        """Forward normally again. Dropped data stays lost: silenced connections are reset."""
        was_silent, self.is_silent, self.delay, self._interruption = self.is_silent, False, 0.0, None
        if was_silent:
            self.reset()

    def reset(self) -> int:
        """Reset every connection. Return their number."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.must_reset = True
        return len(connections)

    def match_interruption(self, data: bytes) -> _Interruption | None:
        """Return the fault to inject for this message."""
        interruption = self._interruption
        if interruption and interruption.matches(data) and interruption.should_apply():
            self.cuts += 1
            return interruption
        return None

    def discard(self, connection: "_ProxiedConnection") -> None:
        with self._lock:
            self._connections.discard(connection)

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
                connection = _ProxiedConnection(self, client)
                with self._lock:
                    self._connections.add(connection)
                threading.Thread(target=connection.run, daemon=True).start()


class _ProxiedConnection:
    """One proxied connection, with its own thread."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self.must_reset = False
        self._proxy = proxy
        self._client = client
        self._server: socket.socket | None = None
        self._pending: _Interruption | None = None

    def run(self) -> None:
        with suppress(OSError):
            self._wait_while_silent()
            self._server = socket.create_connection(("127.0.0.1", self._proxy.target), 5)
            with selectors.DefaultSelector() as ready:
                ready.register(self._client, selectors.EVENT_READ, self._server)
                ready.register(self._server, selectors.EVENT_READ, self._client)
                while not self.must_reset and all([self._forward(key) for key, _ in ready.select(POLL_INTERVAL)]):
                    self._wait_while_silent()
        self._close()

    def _wait_while_silent(self) -> None:
        while self._proxy.is_silent and not self.must_reset:
            time.sleep(POLL_INTERVAL)

    def _forward(self, key: selectors.SelectorKey) -> bool:
        """Forward data once. Return False when the connection ends."""
        source, destination = key.fileobj, key.data
        assert isinstance(source, socket.socket)
        data = source.recv(CHUNK)
        if not data or self.must_reset:
            return False
        if source is self._client:
            interruption = self._proxy.match_interruption(data)
            if interruption and not interruption.after_response:
                return self._interrupt(interruption)
            self._pending = self._pending or interruption
        elif self._pending:
            return self._interrupt(self._pending)
        time.sleep(self._proxy.delay)
        destination.sendall(data)
        return True

    def _interrupt(self, interruption: _Interruption) -> bool:
        if interruption.silences:
            self._proxy.is_silent = True
            self._wait_while_silent()
        return False

    def _close(self) -> None:
        self._proxy.discard(self)
        for end in (self._client, self._server):
            if end:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.close()
