"""The faults. Each is made while people are on their way, again and again until its time is over."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from redis import Redis as Client
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from tests.faults.history import Bounds, Span
from tests.faults.people import chance
from tests.faults.proxy import is_commit, is_trade
from tests.faults.site import Site

PAUSE = 3.0  # seconds in which all is well between two rounds


@dataclass
class Run:
    """One scenario under way: where, for how long, and what came of it so far."""

    site: Site
    seconds: float
    rounds: int = 0
    broke: int = 0
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.seconds

    def each(self) -> Iterator[int]:
        """Rounds, with quiet between them, until the time is over; one at least."""
        while self.rounds == 0 or time.monotonic() < self._end:
            time.sleep(PAUSE)
            yield self.rounds
            self.rounds += 1

    def healed(self) -> None:
        """The fault is over: how long until both servers are ready?"""
        recovered = (*self.bounds.recovered, self.site.seconds_until_ready())
        self.bounds = replace(self.bounds, recovered=recovered)

    @contextmanager
    def span(self, kind: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        spans: Sequence[Span] = getattr(self.bounds, kind)
        change: dict[str, Any] = {kind: (*spans, Span(began, time.monotonic()))}
        self.bounds = replace(self.bounds, **change)


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
        run.healed()


TABLES = ("sessions", "users", "one_time_codes", "outbox", "registrations", "budgets")


def _contend(run: Run, stop: float) -> None:
    while time.monotonic() < stop:
        with suppress(DBAPIError), run.site.engine.begin() as connection:
            for table in chance.sample(TABLES, 3):
                connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1 DESC LIMIT 20 FOR UPDATE")
                time.sleep(0.03)
            run.broke += 1
        time.sleep(0.05)


def kill_redis(run: Run) -> None:
    for _ in run.each():
        run.site.redis.kill()
        time.sleep(6)
        run.site.redis.start()
        run.broke += 1
        run.healed()


def flush_redis(run: Run) -> None:
    with Client.from_url(run.site.redis.url) as client:
        for _ in run.each():
            for _ in range(20):
                with suppress(RedisError):
                    client.flushall()
                    run.broke += 1
                time.sleep(0.2)
            run.healed()


def kill_the_worker(run: Run) -> None:
    """The mail server hangs when it has all of a message, and the worker dies there."""
    for _ in run.each():
        run.site.sink.mode = "hang"
        time.sleep(3)
        run.broke += run.site.execute("SELECT id FROM outbox WHERE leased_until IS NOT NULL") > 0
        run.site.worker.close()
        run.site.sink.stop()
        run.site.sink.mode = "ok"
        run.site.sink.start()
        run.site.start_worker()
        run.healed()


def mail_is_taken_and_not_said(run: Run) -> None:
    for _ in run.each():
        run.site.sink.mode = "drop"
        time.sleep(4)
        run.site.sink.mode = "ok"
        run.broke += 1
        run.healed()


def kill_a_server_process(run: Run) -> None:
    for number in run.each():
        run.broke += run.site.kill_a_process(number % 2)
        run.healed()


def roll(run: Run) -> None:
    for number in run.each():
        assert run.site.servers[number % 2].end(30) in {0, -15}
        run.site.start_one(number % 2)
        run.broke += 1
        run.healed()
