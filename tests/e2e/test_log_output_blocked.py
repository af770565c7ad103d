"""A log that cannot be written, because its reader stalls or its disk is full, does not block requests."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.e2e.scenario import UserScenario
from tests.servers import free_port

PAGE = 4096


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[int]:
    """The read end of a pipe with a buffer of one page, as the log file."""
    os.mkfifo(tmp_path / "log")
    end = os.open(tmp_path / "log", os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, PAGE)
    yield end
    os.close(end)


def test_log_reader_stalled_reports_dropped_lines_later(tmp_path: Path, pipe: int) -> None:
    port, output = free_port(), bytearray()
    command = ("flaskauth", "serve", "--port", str(port), "--workers", "2")
    workspace = Workspace(tmp_path, {"RATE_LIMIT_FACTOR": "1000"})
    with workspace.start(*command) as server, closing(HttpClient(port)) as http_client:
        server.wait_until(http_client.is_ready)
        user = UserScenario(http_client, http_client.code_for, "grace@example.com")
        user.register_and_verify()
        for _ in range(20):
            user.login()

        def reports_dropped_lines() -> bool:
            with suppress(BlockingIOError):
                output.extend(os.read(pipe, PAGE))
            user.login()
            return b'"log_lines_dropped"' in output

        server.wait_until(reports_dropped_lines)
        assert server.terminate() in {0, -15}


def test_log_disk_full_fails_no_request(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "log").symlink_to("/dev/full")
    with (
        Workspace(tmp_path).start("flaskauth", "serve", "--port", str(port)) as server,
        closing(HttpClient(port)) as http_client,
    ):
        server.wait_until(http_client.is_ready)
        user = UserScenario(http_client, http_client.code_for, "grace@example.com")
        user.run_full_scenario()
