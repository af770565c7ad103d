"""A server process with the request buffer and an application that echoes or waits."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.e2e.processes import RunningProcess, Workspace
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
COMMAND = ("granian", "--interface", "rsgi", "--factory", "--no-ws", "--working-dir", str(ROOT))
PROBE = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def echo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningProcess, int]]:
    """The echo application behind a request buffer with one thread for writes and one for reads."""
    port = free_port()
    command = (*COMMAND, "--port", str(port), "tests.server.echo_app:create_request_buffer")
    with Workspace(tmp_path_factory.mktemp("echo")).start(*command) as server:
        server.wait_until(lambda: _responds(port))
        yield server, port


def _responds(port: int) -> bool:
    try:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as client:
            client.sendall(PROBE)
            return client.recv(1) != b""
    except OSError:
        return False
