"""python -m benchmarks.bench [--quick]: every operation of ours, of the peers and of the limits, in one run.

In each round all are measured one after the other, so that what else happens on the machine happens to all of them.
What is told is a ratio of medians. Writes benchmarks/results/latest.json, latest.md and latest.svg; --quick measures
ours against the limits alone, and writes nothing.
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

from tests.servers import MariaDB, Redis
from tests.servers.packages import CannotInstall

from benchmarks import limits, report, wrk
from benchmarks.grounds import DURABLE
from benchmarks.ours import ours
from benchmarks.peers import PEERS, Peer, Site
from benchmarks.report import WAVES
from benchmarks.run import CALM, SECONDS, USUAL, Run
from benchmarks.wrk import NoWrk
from flaskauth.foundation.gate import HELD_FOR

ROUNDS = 3
AT_ONCE = (1, 16, 64)  # connections of our own; all others are loaded with 16
CAPACITY = 4  # a storm offers so many times the sign-ins that can be answered
TOLD = ("flaskauth", "flask", "sqlalchemy", "granian", "argon2-cffi-bindings")


def storm(run: Run, site: Site) -> None:
    """The profile and the refresh while four times as many people sign in as can be answered."""
    capacity = run.rows["flaskauth", "serve", "sign-in", USUAL][-1].rate
    # Whoever is sent away waits for that, too, and most are: between two requests there is so much less.
    between = WAVES / (CAPACITY * capacity) - HELD_FOR
    offered = replace(site.loads["sign-in"](), pause=round(1000 * max(0, between)))
    for what in ("profile", "refresh"):
        load = site.loads[what]()
        with ThreadPoolExecutor(1) as beside:
            signing_in = beside.submit(wrk.run, site.port, offered, WAVES, SECONDS[what] + 3)
            time.sleep(1.5)
            run.note("flaskauth", "storm", what, USUAL, wrk.run(site.port, load, USUAL, SECONDS[what]))
            run.note("flaskauth", "storm", "sign-in", WAVES, signing_in.result())
        time.sleep(CALM)


def measure(rounds: int, peers: Sequence[Peer], at_once: Sequence[int]) -> Run:
    """Ours, the limits and these peers, in as many rounds."""
    run, native = Run(), limits.build_native()
    with MariaDB(DURABLE) as database, Redis() as redis, ExitStack() as servers:
        names = (f"bench{number}" for number in count())
        mine = _empty(database, next(names))
        site, where = servers.enter_context(ours(mine, redis))
        built, _ = servers.enter_context(ours(_empty(database, next(names)), redis, native))
        bare = servers.enter_context(limits.bare(where, mine))
        for _ in range(rounds):
            run.rate("hash, wheel", limits.hash_rate(SECONDS["sign-in"]))
            run.rate("hash, built here", limits.hash_rate(SECONDS["sign-in"], native))
            run.load(bare, "bare Flask", "granian")
            for connections in at_once:
                run.load(site, "flaskauth", "serve", connections)
            run.load(_only("sign-in", built), "flaskauth, hash built here", "serve")
            storm(run, site)
            for peer, server in [(one, server) for one in peers for server in one.servers]:
                with peer.serving(server, _empty(database, next(names))) as theirs:
                    run.load(theirs, peer.name, server, warm_up=peer.warm_up)
    return run


def _only(what: str, site: Site) -> Site:
    return replace(site, loads={what: site.loads[what]})


def _empty(database: MariaDB, name: str) -> str:
    database.create(name)
    return database.url(name)


def about() -> dict[str, object]:
    """The machine, the commit and the versions."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    processor = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ":")
    versions = {name: version(name) for name in TOLD} | {"python": platform.python_version()}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip(),
        "processors": os.cpu_count(),
        "processor": processor.partition(":")[2].strip(),
        "versions": versions | {f"{peer.name}": peer.versions() for peer in PEERS},
    }


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ours against the limits, in two minutes")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    told = parser.parse_args(words)
    try:
        if told.quick:
            print(report.table_of_bars(measure(1, [], [USUAL])))
            return 0
        for peer in PEERS:
            peer.install()
        run = measure(told.rounds, PEERS, AT_ONCE)
    except (CannotInstall, NoWrk) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(report.write(run, {**about(), "rounds": told.rounds}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
