"""Memory of a loaded server, and the time until a new one responds.

Memory is the proportional set size (PSS), which counts pages shared by several processes once. It is read after some
seconds of load, for the server with two processes and all their child processes.
"""

import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.servers import Redis, free_port

from benchmarks import wrk
from benchmarks.environment import durable_database, prepare_installation, serve_command
from benchmarks.flaskauth_target import running_flaskauth
from benchmarks.targets import CONNECTIONS, Figures
from benchmarks.usage import process_tree, proportional_set_size

SECONDS = 5  # per load
SETTLE_SECONDS = 5  # time for the last hash to finish, and for the memory of idle hashing to be returned
START_COUNT = 5
START_TIMEOUT = 30  # seconds


def measure() -> Figures:
    """Measure memory and start time, each on its own migrated database."""
    with durable_database() as database, Redis() as redis:
        database.create("measured")
        with running_flaskauth(database, "measured", redis) as (target, server):
            for operation in ("profile", "refresh", "sign-in"):
                wrk.run(target.port, target.loads[operation](), CONNECTIONS, SECONDS)
            time.sleep(SETTLE_SECONDS)
            memory_bytes = sum(map(proportional_set_size, process_tree(server.pid)))
    return {"memory_megabytes": memory_bytes / 1e6, "start_seconds": statistics.median(measure_starts())}


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
