"""python -m benchmarks.bench [--quick]: load every operation of flaskauth, the peers and the upper bounds in one run.

Each round measures all of them in turn, so that other load on the machine affects all alike. The results are ratios of
medians. Writes benchmarks/results/latest.json, latest.md and latest.svg. With --quick, only flaskauth and the upper
bounds are measured, and nothing is written.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from shutil import which

from tests.servers import MariaDB, Redis
from tests.servers.packages import InstallError

from benchmarks import report, upper_bounds, wrk
from benchmarks.environment import durable_database
from benchmarks.flaskauth_target import running_flaskauth
from benchmarks.peers import PEERS, LoadTarget, Peer
from benchmarks.report import BURST_CONNECTIONS
from benchmarks.run import COOLDOWN, DEFAULT_CONNECTIONS, SECONDS, BenchmarkRun
from benchmarks.wrk import WrkNotFoundError
from flaskauth.server.request_buffer import OVERLOAD_DELAY

ROUNDS = 3
CONNECTION_COUNTS = (1, 16, 64)  # connections to flaskauth; the peers are loaded with 16
OVERLOAD_FACTOR = 4  # ratio of offered logins to capacity during a burst
REPORTED_PACKAGES = ("flaskauth", "flask", "sqlalchemy", "granian", "argon2-cffi-bindings")


def measure_burst(run: BenchmarkRun, target: LoadTarget) -> None:
    """Measure the profile and refresh operations while clients offer four times the possible logins."""
    capacity = run.rows["flaskauth", "serve", "sign-in", DEFAULT_CONNECTIONS][-1].rate
    # A rejected client also waits for the delay of the 503 response, and most clients are rejected.
    pause = BURST_CONNECTIONS / (OVERLOAD_FACTOR * capacity) - OVERLOAD_DELAY
    burst_load = replace(target.loads["sign-in"](), pause_ms=round(1000 * max(0, pause)))
    for operation in ("profile", "refresh"):
        load = target.loads[operation]()
        with ThreadPoolExecutor(1) as pool:
            login_future = pool.submit(wrk.run, target.port, burst_load, BURST_CONNECTIONS, SECONDS[operation] + 3)
            time.sleep(1.5)
            run.record(
                "flaskauth",
                "burst",
                operation,
                DEFAULT_CONNECTIONS,
                wrk.run(target.port, load, DEFAULT_CONNECTIONS, SECONDS[operation]),
            )
            run.record("flaskauth", "burst", "sign-in", BURST_CONNECTIONS, login_future.result())
        time.sleep(COOLDOWN)


def measure(rounds: int, peers: Sequence[Peer], connection_counts: Sequence[int]) -> BenchmarkRun:
    """Measure flaskauth, the upper bounds and these peers, in this number of rounds."""
    run, native = BenchmarkRun(), upper_bounds.build_native()
    with durable_database() as database, Redis() as redis, ExitStack() as servers:
        names = (f"bench{number}" for number in count())
        own_url = _create_database(database, next(names))
        target, server = servers.enter_context(running_flaskauth(own_url, redis))
        native_target, _ = servers.enter_context(
            running_flaskauth(_create_database(database, next(names)), redis, native)
        )
        baseline = servers.enter_context(upper_bounds.running_baseline(server, own_url))
        for _ in range(rounds):
            run.record_rate("wheel", upper_bounds.measure_hash_rate(SECONDS["sign-in"]))
            run.record_rate("native build", upper_bounds.measure_hash_rate(SECONDS["sign-in"], native))
            run.measure(baseline, "bare Flask", "granian")
            for connections in connection_counts:
                run.measure(target, "flaskauth", "serve", connections)
            run.measure(_select_operation("sign-in", native_target), "flaskauth, native hash", "serve")
            measure_burst(run, target)
            for peer, wsgi_server in [(each, name) for each in peers for name in each.servers]:
                with peer.serve(wsgi_server, _create_database(database, next(names))) as peer_target:
                    run.measure(peer_target, peer.name, wsgi_server, warm_up=peer.warm_up_seconds)
    return run


def _select_operation(operation: str, target: LoadTarget) -> LoadTarget:
    return replace(target, loads={operation: target.loads[operation]})


def _create_database(database: MariaDB, name: str) -> str:
    database.create(name)
    return database.url(name)


def describe_run() -> dict[str, object]:
    """Return the machine, the commit and the versions for the results file."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout if which("git") else ""
    processor = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ":")
    versions = {name: version(name) for name in REPORTED_PACKAGES} | {"python": platform.python_version()}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit.strip(),
        "processors": os.cpu_count(),
        "processor": processor.partition(":")[2].strip(),
        "versions": versions | {f"{peer.name}": peer.versions() for peer in PEERS},
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure only flaskauth and the upper bounds (2 minutes)")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    try:
        if options.quick:
            print(report.target_table(measure(1, [], [DEFAULT_CONNECTIONS])))
            return 0
        for peer in PEERS:
            peer.install()
        run = measure(options.rounds, PEERS, CONNECTION_COUNTS)
    except (InstallError, WrkNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    print(report.write_results(run, {**describe_run(), "rounds": options.rounds}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
