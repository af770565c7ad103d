"""python -m benchmarks.bench [quick|mail|memory|scale]: compare flaskauth with its targets; print what is reached.

Without an argument, everything but `scale` is measured, and benchmarks/results/latest.json, .md and .svg are written.
`quick` loads flaskauth and the upper bounds in one round, without the peers. `scale` takes long, so its figures are
kept in benchmarks/results/scale.json for the next run of everything.
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from shutil import which

from tests.servers.packages import InstallError

from benchmarks import load, mail, memory, report, scale
from benchmarks.peers import PEERS, Peer
from benchmarks.run import BenchmarkRun
from benchmarks.targets import Figures
from benchmarks.upper_bounds import measure_hash_rate
from benchmarks.wrk import WrkNotFoundError

ROUNDS = 3
SUITES: Mapping[str, Callable[[], Figures]] = {
    "memory": memory.measure,
    "mail": mail.measure,
    "scale": scale.measure,
}
REPORTED_PACKAGES = ("flaskauth-server", "flask", "sqlalchemy", "granian", "argon2-cffi-bindings")


def measure(suite: str | None, rounds: int, peers: Sequence[Peer]) -> tuple[BenchmarkRun, Figures]:
    """Return the results of the loads, and all figures with the drift of the raw hash rate during the run."""
    start_rate = measure_hash_rate().per_second
    run = BenchmarkRun()
    if suite in (None, "quick"):
        run = load.measure(rounds if suite is None else 1, peers)
    figures = report.compute_figures(run)
    for name in ("memory", "mail") if suite is None else {suite} & SUITES.keys():
        print(f"measuring {name}", flush=True)
        figures |= SUITES[name]()
    return run, {**figures, "drift": measure_hash_rate().per_second / start_rate - 1}


def describe_run(rounds: int, peers: Sequence[Peer]) -> dict[str, object]:
    """Return the machine, the commit and the versions for the results files."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout if which("git") else ""
    processor = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ":")
    versions = {name: version(name) for name in REPORTED_PACKAGES} | {"python": platform.python_version()}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit.strip(),
        "processors": os.cpu_count(),
        "processor": processor.partition(":")[2].strip(),
        "rounds": rounds,
        "versions": {**versions, **{peer.name: peer.versions() for peer in peers}},
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("suite", nargs="?", choices=("quick", *SUITES))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    peers = PEERS if options.suite is None else ()
    try:
        for peer in peers:
            peer.install()
        run_info = describe_run(options.rounds, peers)
        run, figures = measure(options.suite, options.rounds, peers)
    except (InstallError, WrkNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.suite is None:
        figures = report.write_results(run, figures, run_info)
    if options.suite == "scale":
        report.write_growth(figures, run_info)
    print(report.target_report(run, figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
