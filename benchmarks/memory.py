"""python -m benchmarks.memory [--strict]: memory of a loaded server, and the time until a new one responds.

Memory is the proportional set size (PSS), which counts pages shared by several processes once. It is read after some
seconds of load, for the server with two processes and all their child processes.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.servers import free_port

from benchmarks import wrk
from benchmarks.environment import (
    PASSWORD,
    RunningServer,
    durable_database,
    prepare_installation,
    running_server,
    serve_command,
)
from benchmarks.targets import Measurements, Target, make_parser, measure_and_report

TARGETS = (
    Target("memory_megabytes", "memory of 2 processes after load, PSS, MB", 200, "MB", is_maximum=True),
    Target("start_seconds", "process start to first response, s (median)", 1, "s", is_maximum=True),
)
CONNECTIONS = 16
LOGIN_CONNECTIONS = 4  # more connections would be rejected with 503
SECONDS = 5  # per load
USER_COUNT = 50
SETTLE_SECONDS = 2  # time for the last hash to finish
START_COUNT = 5
START_TIMEOUT = 30  # seconds


def measure() -> Measurements:
    """Measure memory and start time, each on its own migrated database."""
    with running_server() as server:
        apply_load(server)
        time.sleep(SETTLE_SECONDS)
        memory_bytes = sum(map(proportional_set_size, process_tree(server.pid)))
    return {"memory_megabytes": memory_bytes / 1e6, "start_seconds": statistics.median(measure_starts())}


def apply_load(server: RunningServer) -> None:
    """Send logins and profile requests as fast as the server responds."""
    emails = [f"user{number}@example.com" for number in range(USER_COUNT)]
    server.add_users(emails)
    tokens = [server.login(email)["token"] for email in emails[:CONNECTIONS]]
    login_load = wrk.post("/auth/login", email="user@KNOWN@@example.com", password=PASSWORD)
    wrk.run(server.port, wrk.Load("GET", "/users/profile", tokens=tokens), CONNECTIONS, SECONDS)
    wrk.run(server.port, replace(login_load, user_count=USER_COUNT), LOGIN_CONNECTIONS, SECONDS)


def process_tree(pid: int) -> Iterator[int]:
    """Yield the ids of a process and all its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from process_tree(int(child))


def proportional_set_size(pid: int) -> int:
    """Return the PSS of a process in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def measure_starts() -> Sequence[float]:
    """Return the seconds of several starts in sequence."""
    with durable_database() as database, TemporaryDirectory() as directory:
        database.create("measured")
        port = free_port()
        workspace = prepare_installation(Path(directory), database.url("measured"), port, {"MAIL_SERVER": "127.0.0.1"})
        return [measure_start(workspace, port) for _ in range(START_COUNT)]


def measure_start(workspace: Workspace, port: int) -> float:
    """Return the seconds until the readiness check succeeds, which includes a database query."""
    started = time.perf_counter()
    with workspace.start(*serve_command(port)) as process, closing(HttpClient(port)) as http_client:
        process.wait_until(http_client.is_ready, START_TIMEOUT)
        seconds = time.perf_counter() - started
        process.terminate()
    return seconds


if __name__ == "__main__":
    sys.exit(measure_and_report(measure, TARGETS, make_parser("memory", __doc__).parse_args()))
