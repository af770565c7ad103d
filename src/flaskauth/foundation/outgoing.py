"""What every conversation with another machine needs: an end, and proof of who answers."""

import contextlib
import socket
import ssl
import threading
from functools import lru_cache
from pathlib import Path
from typing import Self


class Watchdog:
    """Ends a conversation after so many seconds, however slowly the other side keeps it alive."""

    def __init__(self, seconds: float) -> None:
        self._link: socket.socket | None = None
        self._late = threading.Event()
        self._timer = threading.Timer(seconds, self._bark)
        self._timer.daemon = True

    def watch(self, link: socket.socket) -> None:
        # A duplicate: wrapping a socket in TLS takes the original's descriptor away.
        self._link = link.dup()
        if self._late.is_set():
            link.close()
            raise TimeoutError

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()
        if self._link:
            self._link.close()

    def _bark(self) -> None:
        self._late.set()
        if self._link:
            with contextlib.suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)


@lru_cache(maxsize=4)
def verifying(ca_file: Path | None = None) -> ssl.SSLContext:
    """Checks certificate and host name, TLS 1.2 at least. Made once, as reading the system's authorities is slow."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context
