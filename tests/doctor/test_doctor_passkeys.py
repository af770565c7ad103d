"""The check of the related origins reads their list as browsers do."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.error import HTTPError

import pytest

from flaskauth.doctor.passkeys import fetch_origins


@pytest.fixture
def url() -> Iterator[str]:
    """The URL of a web server with a list at /list, to which other paths redirect."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/list" else 302)
            self.send_header("Location", "/list")
            self.end_headers()
            self.wfile.write(b'{"origins": ["https://example.org", 7]}')

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_related_origins_are_read_without_redirect(url: str) -> None:
    assert fetch_origins(f"{url}/list") == {"https://example.org"}
    with pytest.raises(HTTPError, match="302"):
        fetch_origins(f"{url}/moved")
