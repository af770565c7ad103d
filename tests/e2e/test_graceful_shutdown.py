"""Graceful shutdown: after SIGTERM the server keeps serving for a while, so that proxies notice."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import RunningProcess, Workspace
from tests.e2e.scenario import UserScenario
from tests.servers import free_port

DELAY = 2


@contextmanager
def serve_folder(folder: Path, delay: float = DELAY) -> Iterator[tuple[RunningProcess, HttpClient]]:
    port = free_port()
    workspace = Workspace(folder, {"DRAIN_DELAY": str(delay)})
    command = ("flaskauth", "serve", "--port", str(port), "--workers", "2")
    with workspace.start(*command) as server, closing(HttpClient(port)) as http_client:
        yield server.wait_until(http_client.is_ready), http_client


def test_shutdown_drain_serves_but_fails_readiness(tmp_path: Path) -> None:
    with serve_folder(tmp_path) as (server, http_client):
        assert "Connection" not in http_client.get("/health/live").headers
        server.signal(signal.SIGTERM)
        started = time.monotonic()
        server.wait_until(lambda: http_client.get("/health/ready").status == 503)

        UserScenario(http_client, http_client.code_for, "grace@example.com").register_and_verify()
        for path, status in (("/health/ready", 503), ("/hello", 200)):
            response = http_client.get(path)
            assert (response.status, response.headers["Connection"]) == (status, "close")
        assert server.wait() in {0, -signal.SIGTERM}
        assert DELAY <= time.monotonic() - started < DELAY + 8
        assert "Traceback" not in server.output


@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT,)], ids=["twice", "Ctrl-C"])
def test_second_sigterm_or_sigint_exits_immediately(tmp_path: Path, signals: tuple[signal.Signals, ...]) -> None:
    with serve_folder(tmp_path, delay=60) as (server, http_client):
        for number in signals:
            server.signal(number)
            time.sleep(0.2)
        assert server.wait() in {0, -number}
        assert not http_client.is_ready()
