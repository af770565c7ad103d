"""What leaked elsewhere: as a list, as a filter made of it, and as a service that knows it."""

import hashlib
import ssl
import threading
import unicodedata
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from click.testing import CliRunner, Result
from flask import Flask
from tests.tables import settle

from flaskauth.cli import main
from flaskauth.foundation import jobs

KNOWN = "eleven leaked sandcastles"
TOLD = {"password": ["Is known from a breach of another service."]}
TINY = 20  # lines of a range, or so


def name_of(password: str) -> str:
    """SHA-1 in hexadecimal, as lists and services have it."""
    return hashlib.sha1(unicodedata.normalize("NFKC", password).encode()).hexdigest().upper()


def build(*words: str | Path, given: bytes = b"") -> Result:
    """`flaskauth passwords build-filter ...`."""
    return CliRunner().invoke(main, ["passwords", "build-filter", *map(str, words)], input=given)


def filter_of(folder: Path, *passwords: str, name: str = "breached.filter") -> Path:
    (folder / "breached.txt").write_text("".join(f"{name_of(each)}:3\n" for each in passwords))
    done = build(folder / "breached.txt", "--output", folder / name)
    assert done.exit_code == 0, done.output
    return folder / name


def at_rest(app: Flask) -> Flask:
    """Without a thread that writes or reads at times of its own."""
    settle(app)
    app.extensions[jobs.KEY].stop()
    return app


class Handler(BaseHTTPRequestHandler):
    """Answers as the range server's mood is."""

    server: "Listener"

    def do_GET(self) -> None:
        service = self.server.service
        service.asked.append(f"{self.command} {self.path}")
        service.headers.append(dict(self.headers))
        service.arrived.set()
        service.mood(self)

    def tell(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Nothing."""


class Listener(ThreadingHTTPServer):
    service: "RangeService"

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hung up meant it."""


class RangeService:
    """A range service on a loopback port, over TLS where it is given a context."""

    def __init__(self, *passwords: str, tls: ssl.SSLContext | None = None) -> None:
        self.known = [name_of(each) for each in passwords]
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.arrived, self.over = threading.Event(), threading.Event()
        self.mood: Callable[[Handler], None] = self.answers
        self._listener = Listener(("127.0.0.1", 0), Handler)
        self._listener.service = self
        if tls:
            self._listener.socket = tls.wrap_socket(self._listener.socket, server_side=True)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,))
        self.root = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.server_port}/range"

    def answers(self, handler: Handler) -> None:
        handler.tell(self.range(handler.path.rpartition("/")[2]))

    def range(self, prefix: str) -> bytes:
        """What it knows, among others, and padding whose count is 0."""
        found = [f"{name[5:]}:7" for name in self.known if name.startswith(prefix)]
        others = [name_of(f"other {number}")[5:] for number in range(TINY)]
        return "\r\n".join(sorted([*found, *(f"{other}:2" for other in others), f"{'0' * 35}:0"])).encode()

    def pads(self, handler: Handler) -> None:
        """All that it knows is padding."""
        handler.tell(self.range(handler.path.rpartition("/")[2]).replace(b":7", b":0"))

    def sleeps(self, handler: Handler) -> None:
        self.over.wait(30)

    def drips(self, handler: Handler) -> None:
        """Goes on for ever, so that no read waits for long."""
        while not self.over.wait(0.02):
            handler.wfile.write(b"H")

    def drips_a_body(self, handler: Handler) -> None:
        """Whole lines, and nobody knows how many there will be."""
        handler.send_response(200)
        handler.end_headers()
        while not self.over.wait(0.02):
            handler.wfile.write(self.range("00000") + b"\r\n")

    def fails(self, handler: Handler) -> None:
        handler.tell(b"oh", 500)

    def is_a_page(self, handler: Handler) -> None:
        handler.tell(b"<html>Please accept our terms</html>")

    def is_empty(self, handler: Handler) -> None:
        handler.tell(b"\r\n")

    def is_noise(self, handler: Handler) -> None:
        handler.wfile.write(bytes(range(256)) * 4 + b"\r\n\r\n")

    def overflows(self, handler: Handler) -> None:
        handler.tell(self.range("00000") + b"\r\n" + b"\r\n".join([b"F" * 35 + b":1"] * 40_000))

    def breaks_off(self, handler: Handler) -> None:
        handler.tell(self.range("00000"), headers={"Content-Length": "5000"})

    def leads_elsewhere(self, handler: Handler) -> None:
        """Where somebody would answer."""
        if handler.path.startswith("/range"):
            handler.tell(b"", 302, {"Location": f"/elsewhere/{handler.path.rpartition('/')[2]}"})
        else:
            self.answers(handler)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()
