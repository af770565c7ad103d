"""python -m benchmarks.footprint [--strict]: the memory of a server that has worked, and how soon a new one answers.

Memory is the proportional set size: what processes share counts once. It is read after some seconds of load, from the
server with two processes and all that it started.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.journeys.processes import Place
from tests.journeys.visitors import Visitor
from tests.servers import MariaDB, free_port

from benchmarks import wrk
from benchmarks.bars import Bar, Figures, conclude, parser
from benchmarks.grounds import DURABLE, PASSWORD, Grounds, command, grounds, prepared

BARS = (
    Bar("megabytes", "memory of 2 processes after load, PSS, MB", 200, "MB", is_ceiling=True),
    Bar("seconds_to_answer", "process start to first answer, s (median)", 1, "s", is_ceiling=True),
)
CONNECTIONS = 16
SIGNING_IN = 4  # connections; more would be shed
SECONDS = 5  # of each kind of load
PEOPLE = 50
SETTLED = 2  # seconds in which the last hash is done
STARTS = 5
PATIENCE = 30  # seconds for one start


def measure() -> Figures:
    """Both figures, each on a database of its own that is up to date."""
    with grounds() as where:
        load(where)
        time.sleep(SETTLED)
        memory = sum(map(proportional, tree(where.pid)))
    return {"megabytes": memory / 1e6, "seconds_to_answer": statistics.median(starts())}


def load(where: Grounds) -> None:
    """Sign-ins and profiles, as fast as they are answered."""
    emails = [f"person{number}@example.com" for number in range(PEOPLE)]
    where.add_people(emails)
    tokens = [where.sign_in(email)["token"] for email in emails[:CONNECTIONS]]
    signs_in = wrk.post("/auth/login", email="person@KNOWN@@example.com", password=PASSWORD)
    wrk.run(where.port, wrk.Load("GET", "/users/profile", tokens=tokens), CONNECTIONS, SECONDS)
    wrk.run(where.port, replace(signs_in, people=PEOPLE), SIGNING_IN, SECONDS)


def tree(pid: int) -> Iterator[int]:
    """A process and all that it started."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from tree(int(child))


def proportional(pid: int) -> int:
    """The bytes of a process, of what it shares its share."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def starts() -> Sequence[float]:
    """The seconds of so many starts, one after another."""
    with MariaDB(DURABLE) as database, TemporaryDirectory() as folder:
        database.create("measured")
        port = free_port()
        place = prepared(Path(folder), database.url("measured"), port, {"MAIL_SERVER": "127.0.0.1"})
        return [start(place, port) for _ in range(STARTS)]


def start(place: Place, port: int) -> float:
    """The seconds until it answers that it is ready, which asks the database."""
    begun = time.perf_counter()
    with place.start(*command(port)) as running, closing(Visitor(port)) as visitor:
        running.wait_until(visitor.is_ready, PATIENCE)
        took = time.perf_counter() - begun
        running.end()
    return took


if __name__ == "__main__":
    sys.exit(conclude(measure, BARS, parser("footprint", __doc__).parse_args()))
