"""GET /metrics of `flaskauth serve` with two processes: each process reports the sums of both."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from tests.e2e import leaks
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import RunningProcess, Workspace
from tests.e2e.scenario import UserScenario
from tests.metrics.helpers import METRICS_TOKEN, metric_value
from tests.servers import free_port

COUNT = "http_request_duration_seconds_count"
HELLO = {"route": "/hello", "method": "GET", "status": "2xx"}


@contextmanager
def serve_with_metrics(folder: Path) -> Iterator[tuple[RunningProcess, int]]:
    """Serve with two processes and the token in a file, and yield the server and its port."""
    port = free_port()
    (folder / "token").write_text(f"{METRICS_TOKEN}\n")
    (folder / "tmp").mkdir()
    workspace = Workspace(
        folder, {"METRICS_TOKEN_FILE": "token", "WEB_CONCURRENCY": "2", "TMPDIR": str(folder / "tmp")}
    )
    with workspace.start("flaskauth", "serve", "--port", str(port)) as server, closing(HttpClient(port)) as http_client:
        server.wait_until(http_client.is_ready)
        yield server.wait_until(lambda: metric_value(metrics_page(port), "processes") == 2), port


def metrics_page(port: int) -> str:
    """Read the metrics over a new connection, which either process may accept."""
    with closing(HttpClient(port, "192.0.2.1")) as http_client:
        response = http_client.get("/metrics", METRICS_TOKEN)
    assert response.status == 200
    return response.raw.decode()


def get_hello(port: int, times: int) -> None:
    for _ in range(times):
        with closing(HttpClient(port)) as http_client:
            http_client.get("/hello").expect()


def get_hello_from_both_processes(server: RunningProcess, port: int, files: Path) -> int:
    """Return the number of requests: the kernel may give many connections in a row to the same process."""
    requests = 0

    def have_both_written() -> bool:
        nonlocal requests
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: get_hello(port, 1), range(8)))
        requests += 8
        return len(list(files.glob("*/histogram_*.db"))) >= len(server.children()) == 2

    server.wait_until(have_both_written)
    return requests


def test_metrics_of_any_process_include_all_processes(tmp_path: Path) -> None:
    with serve_with_metrics(tmp_path) as (server, port):
        requests = get_hello_from_both_processes(server, port, tmp_path / "tmp")

        pages = [metrics_page(port) for _ in range(10)]
        assert {metric_value(page, COUNT, **HELLO) for page in pages} == {requests}
        assert server.terminate() in {0, -15}
    assert list((tmp_path / "tmp").iterdir()) == []


def test_metrics_counts_survive_a_killed_process(tmp_path: Path) -> None:
    with serve_with_metrics(tmp_path) as (server, port):
        get_hello(port, 20)
        for pid in server.children():
            os.kill(pid, signal.SIGKILL)
            server.wait_until(lambda pid=pid: pid not in server.children() and len(server.children()) == 2)  # type: ignore[misc]
        with closing(HttpClient(port)) as http_client:
            server.wait_until(http_client.is_ready)
        get_hello(port, 20)

        server.wait_until(lambda: metric_value(metrics_page(port), "processes") == 2)
        assert metric_value(metrics_page(port), COUNT, **HELLO) == 40


def test_metrics_contain_no_secrets_or_personal_data(tmp_path: Path) -> None:
    with serve_with_metrics(tmp_path) as (_, port), closing(HttpClient(port)) as http_client:
        user = UserScenario(http_client, http_client.code_for, "grace@example.com")
        user.run_full_scenario()
        assert http_client.use_client_ip("192.0.2.1").get("/metrics").status == 404

        page = metrics_page(port)
        assert metric_value(page, COUNT, route="/auth/login", method="POST", status="2xx") >= 1
        assert not leaks.find_leaks({*user.secrets, METRICS_TOKEN}, {"metrics": page.encode()})
        assert [name for name in ("grace", "@", "192.0.2", "127.0.0") if name in page] == []
