"""Faults of the database and of the connection to it. Each is repeated until the time of the scenario is over."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.exc import DBAPIError
from tests.chaos.clients import rng
from tests.chaos.proxy import is_commit, is_rotation
from tests.chaos.runner import ScenarioRun
from tests.chaos.small_disk import SmallDiskMariaDB


def kill_database(run: ScenarioRun) -> None:
    for _ in run.iterations():
        run.environment.database.kill()
        with run.record_span("database_down"):
            time.sleep(3)
        run.environment.database.start()
        run.fault_count += 1
        run.record_recovery()


def cut_before_commit(run: ScenarioRun) -> None:
    _cut_connections(run, lambda: run.environment.database_proxy.cut_before(is_commit, _one_in_five))


def cut_after_commit(run: ScenarioRun) -> None:
    _cut_connections(run, lambda: run.environment.database_proxy.cut_after(is_commit, _one_in_five))


def cut_after_rotation(run: ScenarioRun) -> None:
    """Cut the connection after the statement that rotates a refresh token, which commits by itself."""
    _cut_connections(run, lambda: run.environment.database_proxy.cut_after(is_rotation, lambda: rng.random() < 0.5))


def _cut_connections(run: ScenarioRun, inject_fault: Callable[[], None]) -> None:
    for _ in run.iterations():
        inject_fault()
        time.sleep(6)
        run.environment.database_proxy.heal()
        run.fault_count += run.environment.database_proxy.cuts
        run.environment.database_proxy.cuts = 0
        run.record_recovery()


def _one_in_five() -> bool:
    return rng.random() < 0.2


def make_read_only(run: ScenarioRun) -> None:
    for _ in run.iterations():
        run.environment.database.execute("SET GLOBAL read_only = 1")
        with run.record_span("read_only"):
            time.sleep(5)
        run.environment.database.execute("SET GLOBAL read_only = 0")
        run.fault_count += 1
        run.record_recovery()


def slow_down(run: ScenarioRun) -> None:
    for _ in run.iterations():
        run.environment.database_proxy.delay = 0.1
        time.sleep(6)
        run.environment.database_proxy.heal()
        run.fault_count += 1
        run.record_recovery()


def silence_network(run: ScenarioRun) -> None:
    for _ in run.iterations():
        run.environment.database_proxy.is_silent = True
        with run.record_span("database_down"):
            time.sleep(8)
        run.environment.database_proxy.heal()
        run.fault_count += 1
        run.record_recovery()


def pause_database(run: ScenarioRun) -> None:
    for number in run.iterations():
        run.environment.database.pause()
        with run.record_span("database_down"):
            time.sleep(30 if run.seconds > 60 and not number else 8)
        run.environment.database.resume()
        run.fault_count += 1
        run.record_recovery()


def reset_connections(run: ScenarioRun) -> None:
    for _ in run.iterations():
        for _ in range(40):
            run.fault_count += run.environment.database_proxy.reset()
            time.sleep(0.1)
        run.record_recovery()


def kill_connections(run: ScenarioRun) -> None:
    for _ in run.iterations():
        for _ in range(40):
            for number in run.environment.connections()[:4]:
                with suppress(DBAPIError):  # closed meanwhile
                    run.environment.database.execute(f"KILL {number}")
                    run.fault_count += 1
            time.sleep(0.1)
        run.record_recovery()


def cause_deadlocks(run: ScenarioRun) -> None:
    """Lock the newest rows of several tables from outside transactions, in random order."""
    for _ in run.iterations():
        stop = time.monotonic() + 6
        threads = [threading.Thread(target=_lock_rows, args=(run, stop)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        run.fault_count = run.environment.count_deadlocks()
        run.record_recovery()


LOCKED_TABLES = ("sessions", "users", "one_time_codes", "outbox", "registrations", "rate_limit_counters")


def _lock_rows(run: ScenarioRun, stop: float) -> None:
    while time.monotonic() < stop:
        with suppress(DBAPIError), run.environment.engine.begin() as connection:
            for table in rng.sample(LOCKED_TABLES, 3):
                connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1 DESC LIMIT 20 FOR UPDATE")
                time.sleep(0.03)
        time.sleep(0.05)


def hold_locks(run: ScenarioRun) -> None:
    """Hold locks on the newest rows for longer than the lock wait timeout."""
    for _ in run.iterations():
        while not _hold_rows(run):
            pass  # chosen as deadlock victim
        run.record_recovery()


def _hold_rows(run: ScenarioRun) -> bool:
    with suppress(DBAPIError), run.environment.engine.begin() as connection:
        for table in LOCKED_TABLES:
            rows = connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1 DESC LIMIT 20 FOR UPDATE")
            run.fault_count += len(rows.all())
        time.sleep(8)
        return True
    return False


def limit_connections(run: ScenarioRun) -> None:
    """Let the database accept no more connections, and close the existing ones."""
    for _ in run.iterations():
        run.environment.database.execute("SET GLOBAL max_connections = 10")
        run.fault_count += run.environment.database_proxy.reset() > 10
        time.sleep(6)
        while not _restore_connection_limit(run):
            time.sleep(0.02)
        run.record_recovery()


def _restore_connection_limit(run: ScenarioRun) -> bool:
    """Restore the limit. Other clients compete for the one connection that is reserved for root."""
    with suppress(DBAPIError):
        run.environment.database.execute("SET GLOBAL max_connections = 151")
        return True
    return False


def fill_disk(run: ScenarioRun) -> None:
    """Keep the disk full, including space that is freed meanwhile."""
    disk = run.environment.database
    assert isinstance(disk, SmallDiskMariaDB)
    for _ in run.iterations():
        stop = time.monotonic() + 10
        while time.monotonic() < stop:
            disk.fill()
            run.fault_count += disk.is_full()
            time.sleep(0.2)
        disk.free_space()
        run.record_recovery()
