"""The faults that there are, by their numbers, and what each allows."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial

from tests.faults import of_the_database as database
from tests.faults import of_the_rest as rest
from tests.faults.history import Bounds
from tests.faults.site import DURABLE, Site, mysql, site
from tests.faults.small_disk import SmallDisk
from tests.faults.under_way import Run
from tests.servers.mail import Mode


@dataclass(frozen=True)
class Scenario:
    number: str
    what: str
    run: Callable[[Run], None]
    bounds: Bounds = field(default_factory=Bounds)
    bold: bool = False
    is_judged: bool = True
    site: Callable[..., AbstractContextManager[Site]] = site


# A crash of whoever sends mail, or an end that nobody can know, costs one more copy; a lease may pass in between.
SOME = Bounds(copies=4)
SLOW = replace(SOME, recovers_in=10)
MORE = replace(SOME, copies=8)
REFUSING = replace(SOME, refuses_mail=True)
LOSSLESS = replace(SOME, loses_none=True)


def _mails(mode: Mode, seconds: float) -> Callable[[Run], None]:
    return partial(rest.another_mode_of_the_mail_server, mode=mode, seconds=seconds)


SCENARIOS: Sequence[Scenario] = (
    Scenario("R01", "mariadbd killed, back after 3 s", database.kill_the_database, SOME, bold=True),
    Scenario("R02a", "cut before COMMIT arrives", database.cut_before_commit, SOME, bold=True),
    Scenario("R02b", "cut after COMMIT, before its answer", database.cut_after_commit, SOME, bold=True),
    Scenario("R02c", "cut after a refresh, before its answer", database.cut_after_trade, SOME),
    Scenario("R05", "database read-only", database.read_only, SOME, bold=True),
    Scenario("R06", "database 200 ms slower", database.slow_database, SOME),
    Scenario("R07", "database unreachable without a word", database.silent_network, SLOW, bold=True),
    Scenario("R08", "mariadbd stopped and continued", database.stopped_database, SLOW),
    Scenario("R09", "connections reset", database.reset_connections, SOME),
    Scenario("R09b", "connections reset, and too many", database.few_connections, SOME),
    Scenario("R10", "connections killed by KILL", database.kill_connections, SOME),
    Scenario("R11", "locks and deadlocks from outside", database.deadlocks, SOME, bold=True),
    Scenario("R12", "rows locked for 8 s", database.long_locks, SOME),
    Scenario(
        "R13",
        "the database's disk is full",
        database.full_disk,
        SOME,
        site=partial(site, provide=partial(SmallDisk, DURABLE)),
    ),
    Scenario("R19", "Redis answers too late", rest.slow_redis, SOME),
    Scenario("R20", "Redis killed, back after 6 s", rest.kill_redis, SOME, bold=True),
    Scenario("R21", "Redis flushed", rest.flush_redis, SOME),
    Scenario("R22", "Redis full, read-only, locked", rest.redis_refuses, SOME),
    Scenario("R24", "worker killed while it sends", rest.kill_the_worker, SOME, bold=True),
    Scenario("R26", "no worker for 20 s", rest.no_worker, SOME),
    Scenario("R27", "mail put off by 451", _mails("tempfail", 6), SOME),
    Scenario("R28", "mail refused by 550", _mails("reject", 4), REFUSING),
    Scenario("R29", "mail server away", rest.no_mail_server, SOME),
    Scenario("R30", "mail taken, connection dropped", _mails("drop", 4), MORE, bold=True),
    Scenario("R36", "servers told to end, by turns", rest.roll, LOSSLESS, bold=True),
    Scenario("R36b", "the same behind nginx", rest.roll, LOSSLESS, bold=True, site=partial(site, behind_nginx=True)),
    Scenario("R37", "server process killed", rest.kill_a_server_process, SOME, bold=True),
    Scenario("R43", "signing keys rotated", rest.new_keys, SOME),
    Scenario("R46", "processors under pressure", rest.pressure, SOME),
    Scenario("R49", "people hang up", rest.people_hang_up, SOME, site=partial(site, on_a_wire=True)),
)

# MySQL waits for room on a full disk, for a minute each time, and fails nothing meanwhile.
OF_MYSQL: Sequence[Scenario] = [
    replace(each, site=partial(each.site, provide=mysql)) for each in SCENARIOS if each.run is not database.full_disk
]
