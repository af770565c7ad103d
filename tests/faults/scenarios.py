"""The faults that there are, by their numbers, and what each allows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.faults import faults
from tests.faults.faults import Run
from tests.faults.history import Bounds


@dataclass(frozen=True)
class Scenario:
    number: str
    what: str
    run: Callable[[Run], None]
    bounds: Bounds = field(default_factory=Bounds)
    bold: bool = False


# A crash of whoever sends mail, or an end that nobody can know, costs one more copy; a lease may pass in between.
SOME = Bounds(copies=4)
SLOW = replace(SOME, recovers_in=10)
MORE = replace(SOME, copies=8)
LOSSLESS = replace(SOME, loses_none=True)

SCENARIOS: Sequence[Scenario] = (
    Scenario("R01", "mariadbd killed, back after 3 s", faults.kill_the_database, SOME, bold=True),
    Scenario("R02a", "cut before COMMIT arrives", faults.cut_before_commit, SOME, bold=True),
    Scenario("R02b", "cut after COMMIT, before its answer", faults.cut_after_commit, SOME, bold=True),
    Scenario("R02c", "cut after a refresh, before its answer", faults.cut_after_trade, SOME),
    Scenario("R05", "database read-only", faults.read_only, SOME, bold=True),
    Scenario("R06", "database 200 ms slower", faults.slow_database, SOME),
    Scenario("R07", "database unreachable without a word", faults.silent_network, SLOW, bold=True),
    Scenario("R08", "mariadbd stopped and continued", faults.stopped_database, SLOW),
    Scenario("R09", "connections reset", faults.reset_connections, SOME),
    Scenario("R10", "connections killed by KILL", faults.kill_connections, SOME),
    Scenario("R11", "locks and deadlocks from outside", faults.deadlocks, SOME, bold=True),
    Scenario("R20", "Redis killed, back after 6 s", faults.kill_redis, SOME, bold=True),
    Scenario("R21", "Redis flushed", faults.flush_redis, SOME),
    Scenario("R24", "worker killed while it sends", faults.kill_the_worker, SOME, bold=True),
    Scenario("R30", "mail taken, connection dropped", faults.mail_is_taken_and_not_said, MORE, bold=True),
    Scenario("R36", "servers told to end, by turns", faults.roll, LOSSLESS, bold=True),
    Scenario("R37", "server process killed", faults.kill_a_server_process, SOME, bold=True),
)
