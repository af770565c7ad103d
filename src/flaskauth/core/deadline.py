"""Deadlines and TLS for outgoing connections."""

import contextlib
import os
import socket
import ssl
import threading
from functools import lru_cache
from pathlib import Path
from typing import Self


class Deadline:
    """Close a connection after a total time in seconds, even if the peer keeps sending slowly."""

    def __init__(self, seconds: float) -> None:
        self._socket: socket.socket | None = None
        self._expired = threading.Event()
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def watch(self, connection: socket.socket) -> None:
        """Set the connection to close.

        Raises:
            TimeoutError: the deadline has already expired; the connection is closed.
        """
        if self._socket:
            self._socket.close()
        # A duplicate, because wrapping a socket in TLS detaches the original descriptor.
        self._socket = socket.socket(fileno=os.dup(connection.fileno()))
        if self._expired.is_set():
            connection.close()
            raise TimeoutError

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()
        if self._socket:
            self._socket.close()

    def _expire(self) -> None:
        self._expired.set()
        if self._socket:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


@lru_cache(maxsize=4)
def get_tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name, with TLS 1.2 or newer. Cached: loading CAs is slow."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context
