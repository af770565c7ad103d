"""Breached passwords for tests: a hash list, a filter file built from it, and a fake range API."""

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
from tests.support.db_snapshot import wait_for_outbox

from flaskauth.cli.main import main
from flaskauth.core.jobs import background

BREACHED_PASSWORD = "eleven leaked sandcastles"
BREACH_ERRORS = {"password": ["Appears in a data breach of another service."]}
RANGE_LINES = 20  # unrelated lines in each range, besides the breached hashes and one padding line


def sha1_hex(password: str) -> str:
    """Return the SHA-1 hash in uppercase hexadecimal, as in hash lists and range APIs."""
    return hashlib.sha1(unicodedata.normalize("NFKC", password).encode()).hexdigest().upper()


def build_filter(*args: str | Path, stdin: bytes = b"") -> Result:
    """Run `flaskauth passwords build-filter` and return its result."""
    return CliRunner().invoke(main, ["passwords", "build-filter", *map(str, args)], input=stdin)


def make_filter_file(directory: Path, *passwords: str, name: str = "breached.filter") -> Path:
    (directory / "breached.txt").write_text("".join(f"{sha1_hex(password)}:3\n" for password in passwords))
    result = build_filter(directory / "breached.txt", "--output", directory / name)
    assert result.exit_code == 0, result.output
    return directory / name


def stop_background(app: Flask) -> Flask:
    """Wait for the outbox, then stop the background thread, so that it causes no queries during the test."""
    wait_for_outbox(app)
    app.extensions[background.KEY].stop()
    return app


class RangeHandler(BaseHTTPRequestHandler):
    """Responds with the current behaviour of the fake range API."""

    server: "RangeHttpServer"

    def do_GET(self) -> None:
        service = self.server.service
        service.requests.append(f"{self.command} {self.path}")
        service.headers.append(dict(self.headers))
        service.request_received.set()
        service.behaviour(self)

    def respond(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Log nothing."""


class RangeHttpServer(ThreadingHTTPServer):
    service: "FakeRangeApi"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect early."""


class FakeRangeApi:
    """A range API on a loopback port, with TLS if a context is given."""

    def __init__(self, *passwords: str, tls: ssl.SSLContext | None = None) -> None:
        self.breached_hashes = [sha1_hex(password) for password in passwords]
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.request_received, self.stopped = threading.Event(), threading.Event()
        self.behaviour: Callable[[RangeHandler], None] = self.respond_normally
        self._server = RangeHttpServer(("127.0.0.1", 0), RangeHandler)
        self._server.service = self
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.base_url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}/range"

    def respond_normally(self, handler: RangeHandler) -> None:
        handler.respond(self.range_lines(handler.path.rpartition("/")[2]))

    def range_lines(self, prefix: str) -> bytes:
        """Return the breached hashes with this prefix, unrelated hashes, and a padding line with count 0."""
        lines = [f"{name[5:]}:7" for name in self.breached_hashes if name.startswith(prefix)]
        others = [sha1_hex(f"other {number}")[5:] for number in range(RANGE_LINES)]
        return "\r\n".join(sorted([*lines, *(f"{other}:2" for other in others), f"{'0' * 35}:0"])).encode()

    def respond_padding_only(self, handler: RangeHandler) -> None:
        """Mark the breached hashes as padding, with count 0."""
        handler.respond(self.range_lines(handler.path.rpartition("/")[2]).replace(b":7", b":0"))

    def hang(self, handler: RangeHandler) -> None:
        self.stopped.wait(30)

    def drip_headers(self, handler: RangeHandler) -> None:
        """Send an endless header line slowly, so that no single read times out."""
        while not self.stopped.wait(0.02):
            handler.wfile.write(b"H")

    def drip_body(self, handler: RangeHandler) -> None:
        """Send an endless body of complete lines, without a Content-Length."""
        handler.send_response(200)
        handler.end_headers()
        while not self.stopped.wait(0.02):
            handler.wfile.write(self.range_lines("00000") + b"\r\n")

    def respond_500(self, handler: RangeHandler) -> None:
        handler.respond(b"error", 500)

    def respond_html(self, handler: RangeHandler) -> None:
        handler.respond(b"<html>Please accept our terms</html>")

    def respond_empty(self, handler: RangeHandler) -> None:
        handler.respond(b"\r\n")

    def respond_binary(self, handler: RangeHandler) -> None:
        handler.wfile.write(bytes(range(256)) * 4 + b"\r\n\r\n")

    def respond_too_long(self, handler: RangeHandler) -> None:
        handler.respond(self.range_lines("00000") + b"\r\n" + b"\r\n".join([b"F" * 35 + b":1"] * 40_000))

    def respond_truncated(self, handler: RangeHandler) -> None:
        handler.respond(self.range_lines("00000"), headers={"Content-Length": "5000"})

    def redirect(self, handler: RangeHandler) -> None:
        """Redirect to a path that would respond normally."""
        if handler.path.startswith("/range"):
            handler.respond(b"", 302, {"Location": f"/elsewhere/{handler.path.rpartition('/')[2]}"})
        else:
            self.respond_normally(handler)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
