"""Faults of the database and on the way to it. Each is made again and again until its time is over."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.exc import DBAPIError
from tests.faults.people import chance
from tests.faults.proxy import is_commit, is_trade
from tests.faults.small_disk import SmallDisk
from tests.faults.under_way import Run


def kill_the_database(run: Run) -> None:
    for _ in run.each():
        run.site.database.kill()
        with run.span("down"):
            time.sleep(3)
        run.site.database.start()
        run.broke += 1
        run.healed()


def cut_before_commit(run: Run) -> None:
    _cut(run, lambda: run.site.wire.cut_before(is_commit, _one_in_five))


def cut_after_commit(run: Run) -> None:
    _cut(run, lambda: run.site.wire.cut_after(is_commit, _one_in_five))


def cut_after_trade(run: Run) -> None:
    """The statement that trades a refresh token commits by itself: its answer is lost."""
    _cut(run, lambda: run.site.wire.cut_after(is_trade, lambda: chance.random() < 0.5))


def _cut(run: Run, break_it: Callable[[], None]) -> None:
    for _ in run.each():
        break_it()
        time.sleep(6)
        run.site.wire.heal()
        run.broke += run.site.wire.cuts
        run.site.wire.cuts = 0
        run.healed()


def _one_in_five() -> bool:
    return chance.random() < 0.2


def read_only(run: Run) -> None:
    for _ in run.each():
        run.site.database.execute("SET GLOBAL read_only = 1")
        with run.span("read_only"):
            time.sleep(5)
        run.site.database.execute("SET GLOBAL read_only = 0")
        run.broke += 1
        run.healed()


def slow_database(run: Run) -> None:
    for _ in run.each():
        run.site.wire.delay = 0.1
        time.sleep(6)
        run.site.wire.heal()
        run.broke += 1
        run.healed()


def silent_network(run: Run) -> None:
    for _ in run.each():
        run.site.wire.is_silent = True
        with run.span("down"):
            time.sleep(8)
        run.site.wire.heal()
        run.broke += 1
        run.healed()


def stopped_database(run: Run) -> None:
    for number in run.each():
        run.site.database.pause()
        with run.span("down"):
            time.sleep(30 if run.seconds > 60 and not number else 8)
        run.site.database.resume()
        run.broke += 1
        run.healed()


def reset_connections(run: Run) -> None:
    for _ in run.each():
        for _ in range(40):
            run.broke += run.site.wire.reset()
            time.sleep(0.1)
        run.healed()


def kill_connections(run: Run) -> None:
    for _ in run.each():
        for _ in range(40):
            for number in run.site.connections()[:4]:
                with suppress(DBAPIError):  # it ended by itself meanwhile
                    run.site.database.execute(f"KILL {number}")
                    run.broke += 1
            time.sleep(0.1)
        run.healed()


def deadlocks(run: Run) -> None:
    """Outside transactions lock the newest rows of some tables in an order of chance, and then in another."""
    for _ in run.each():
        stop = time.monotonic() + 6
        rivals = [threading.Thread(target=_contend, args=(run, stop)) for _ in range(3)]
        for rival in rivals:
            rival.start()
        for rival in rivals:
            rival.join()
        run.broke = run.site.deadlocks()
        run.healed()


TABLES = ("sessions", "users", "one_time_codes", "outbox", "registrations", "budgets")


def _contend(run: Run, stop: float) -> None:
    while time.monotonic() < stop:
        with suppress(DBAPIError), run.site.engine.begin() as connection:
            for table in chance.sample(TABLES, 3):
                connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1 DESC LIMIT 20 FOR UPDATE")
                time.sleep(0.03)
        time.sleep(0.05)


def long_locks(run: Run) -> None:
    """Somebody else holds the newest rows for longer than a lock is waited for."""
    for _ in run.each():
        while not _hold_rows(run):
            pass  # it was itself the loser of a deadlock
        run.healed()


def _hold_rows(run: Run) -> bool:
    with suppress(DBAPIError), run.site.engine.begin() as connection:
        for table in TABLES:
            found = connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1 DESC LIMIT 20 FOR UPDATE")
            run.broke += len(found.all())
        time.sleep(8)
        return True
    return False


def few_connections(run: Run) -> None:
    """The database takes no more connections, and ends those that there are."""
    for _ in run.each():
        run.site.database.execute("SET GLOBAL max_connections = 10")
        run.broke += run.site.wire.reset() > 10
        time.sleep(6)
        while not _allows_more(run):
            time.sleep(0.02)
        run.healed()


def _allows_more(run: Run) -> bool:
    """The place that the database keeps for its root is taken again and again by whoever is about to be refused."""
    with suppress(DBAPIError):
        run.site.database.execute("SET GLOBAL max_connections = 151")
        return True
    return False


def full_disk(run: Run) -> None:
    """What other programs leave of the disk is taken again and again; what frees itself meanwhile too."""
    disk = run.site.database
    assert isinstance(disk, SmallDisk)
    for _ in run.each():
        stop = time.monotonic() + 10
        while time.monotonic() < stop:
            disk.use_up()
            run.broke += disk.is_full()
            time.sleep(0.2)
        disk.make_room()
        run.healed()
