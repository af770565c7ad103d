"""Fault scenarios, and what each allows."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial

from tests.chaos.environment import DURABLE, Environment, mysql, start_environment
from tests.chaos.faults import database, services
from tests.chaos.history import Expectations
from tests.chaos.runner import ScenarioRun
from tests.chaos.small_disk import SmallDiskMariaDB
from tests.servers.smtp_sink import Mode


@dataclass(frozen=True)
class Scenario:
    number: str
    description: str
    run: Callable[[ScenarioRun], None]
    expectations: Expectations = field(default_factory=Expectations)
    is_quick: bool = False
    is_checked: bool = True
    environment: Callable[..., AbstractContextManager[Environment]] = start_environment


# A killed sender, or a delivery with an unknown result, causes one more copy; a lease may expire in between.
DEFAULT_EXPECTATIONS = Expectations(max_mail_copies=4)
SLOW_RECOVERY = replace(DEFAULT_EXPECTATIONS, max_recovery_seconds=10)
MORE_COPIES = replace(DEFAULT_EXPECTATIONS, max_mail_copies=8)
MAIL_REJECTED = replace(DEFAULT_EXPECTATIONS, allows_failed_mail=True)
NO_LOST_CALLS = replace(DEFAULT_EXPECTATIONS, requires_all_responses=True)


def _smtp_fault(mode: Mode, seconds: float) -> Callable[[ScenarioRun], None]:
    return partial(services.set_smtp_mode, mode=mode, seconds=seconds)


SCENARIOS: Sequence[Scenario] = (
    Scenario("R01", "mariadbd killed, back after 3 s", database.kill_database, DEFAULT_EXPECTATIONS, is_quick=True),
    Scenario(
        "R02a", "connection cut before COMMIT arrives", database.cut_before_commit, DEFAULT_EXPECTATIONS, is_quick=True
    ),
    Scenario(
        "R02b",
        "connection cut after COMMIT, before its response",
        database.cut_after_commit,
        DEFAULT_EXPECTATIONS,
        is_quick=True,
    ),
    Scenario(
        "R02c", "connection cut after a refresh, before its response", database.cut_after_rotation, DEFAULT_EXPECTATIONS
    ),
    Scenario("R05", "database read-only", database.make_read_only, DEFAULT_EXPECTATIONS, is_quick=True),
    Scenario("R06", "database 200 ms slower", database.slow_down, DEFAULT_EXPECTATIONS),
    Scenario("R07", "packets to the database dropped", database.silence_network, SLOW_RECOVERY, is_quick=True),
    Scenario("R08", "mariadbd stopped and continued", database.pause_database, SLOW_RECOVERY),
    Scenario("R09", "connections reset", database.reset_connections, DEFAULT_EXPECTATIONS),
    Scenario("R09b", "connections reset, and too many", database.limit_connections, DEFAULT_EXPECTATIONS),
    Scenario("R10", "connections killed by KILL", database.kill_connections, DEFAULT_EXPECTATIONS),
    Scenario(
        "R11", "locks and deadlocks from other clients", database.cause_deadlocks, DEFAULT_EXPECTATIONS, is_quick=True
    ),
    Scenario("R12", "rows locked for 8 s", database.hold_locks, DEFAULT_EXPECTATIONS),
    Scenario(
        "R13",
        "disk of the database full",
        database.fill_disk,
        DEFAULT_EXPECTATIONS,
        environment=partial(start_environment, provide=partial(SmallDiskMariaDB, DURABLE)),
    ),
    Scenario("R19", "Redis responds too late", services.slow_down_redis, DEFAULT_EXPECTATIONS),
    Scenario("R20", "Redis killed, back after 6 s", services.kill_redis, DEFAULT_EXPECTATIONS, is_quick=True),
    Scenario("R21", "Redis flushed", services.flush_redis, DEFAULT_EXPECTATIONS),
    Scenario("R22", "Redis full, read-only, locked", services.make_redis_reject, DEFAULT_EXPECTATIONS),
    Scenario("R24", "worker killed while it sends", services.kill_worker, DEFAULT_EXPECTATIONS, is_quick=True),
    Scenario("R26", "no worker for 20 s", services.stop_worker, DEFAULT_EXPECTATIONS),
    Scenario("R27", "mail deferred with 451", _smtp_fault("tempfail", 6), DEFAULT_EXPECTATIONS),
    Scenario("R28", "mail rejected with 550", _smtp_fault("reject", 4), MAIL_REJECTED),
    Scenario("R29", "mail server unavailable", services.stop_mail_server, DEFAULT_EXPECTATIONS),
    Scenario("R30", "mail accepted, connection dropped", _smtp_fault("drop", 4), MORE_COPIES, is_quick=True),
    Scenario("R36", "SIGTERM to the servers, in turn", services.restart_servers_in_turn, NO_LOST_CALLS, is_quick=True),
    Scenario(
        "R36b",
        "the same behind nginx",
        services.restart_servers_in_turn,
        NO_LOST_CALLS,
        is_quick=True,
        environment=partial(start_environment, behind_nginx=True),
    ),
    Scenario("R37", "server process killed", services.kill_server_process, DEFAULT_EXPECTATIONS, is_quick=True),
    Scenario("R43", "signing keys rotated", services.rotate_signing_keys, DEFAULT_EXPECTATIONS),
    Scenario("R46", "processors under load", services.load_cpu, DEFAULT_EXPECTATIONS),
    Scenario(
        "R49",
        "clients disconnect",
        services.reset_client_connections,
        DEFAULT_EXPECTATIONS,
        environment=partial(start_environment, behind_proxies=True),
    ),
)

# On a full disk MySQL waits for space, a minute each time, and fails nothing meanwhile.
MYSQL_SCENARIOS: Sequence[Scenario] = [
    replace(each, environment=partial(each.environment, provide=mysql))
    for each in SCENARIOS
    if each.run is not database.fill_disk
]
