"""Transactions: responses and API errors commit, unhandled exceptions roll back, lost races are retried.

What `commit_now` writes is never rolled back.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Connection, create_engine, select, text, update
from sqlalchemy.exc import IntegrityError
from tests.conftest import MakeApp, sql_servers
from tests.support.inspect import error_of, in_transaction, query_all

from flaskauth.core import clock
from flaskauth.core.db.session import after_commit, commit_now, db, release_connection, transaction
from flaskauth.core.errors import APIError, NotFound, Unavailable
from flaskauth.core.http.request import public
from flaskauth.core.jobs.background import ScheduledRun
from flaskauth.core.passwords import hashing
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.models import RateLimitCounter
from flaskauth.rate_limits.service import RateLimit
from flaskauth.settings import with_driver

KEY = rate_limits.counter_key("an attempt")
ATTEMPT_LIMIT = RateLimit(5, timedelta(hours=1))
ON_SERVERS = pytest.mark.parametrize("database", sql_servers(), indirect=True)

View = Callable[[], dict[str, str]]


def count_attempt() -> bool:
    return rate_limits.hit((KEY, ATTEMPT_LIMIT)).is_allowed


def scheduled_run(name: str) -> ScheduledRun:
    return ScheduledRun(name=name, next_run_at=clock.now())


def insert_note(name: str) -> None:
    db.session.add(scheduled_run(name))


def committed_notes(app: Flask) -> list[str]:
    return sorted(run.name for run in query_all(app, select(ScheduledRun)) if run.name.startswith("note"))


def counted_attempts(app: Flask) -> int:
    return sum(query_all(app, select(RateLimitCounter.count)))


def post_to_view(app: Flask, view: View) -> tuple[int, str]:
    """Add the view as POST /work, call it, and return the status and error code."""
    app.add_url_rule("/work", view_func=public(view), methods=["POST"])
    response = app.test_client().post("/work")
    return (200, "") if response.status_code == 200 else error_of(response)


def test_successful_response_commits(app: Flask) -> None:
    def view() -> dict[str, str]:
        insert_note("note")
        return {}

    assert post_to_view(app, view) == (200, "")
    assert committed_notes(app) == ["note"]


def test_api_error_commits(app: Flask) -> None:
    def view() -> dict[str, str]:
        insert_note("note")
        raise NotFound

    assert post_to_view(app, view) == (404, "not_found")
    assert committed_notes(app) == ["note"]


def test_unhandled_exception_rolls_back(app: Flask) -> None:
    def view() -> dict[str, str]:
        insert_note("note")
        db.session.flush()
        raise RuntimeError("a reason that no response contains")

    assert post_to_view(app, view) == (500, "internal_error")
    assert committed_notes(app) == []


@pytest.mark.parametrize("error", [NotFound, RuntimeError])
def test_commit_now_survives_api_error_and_rollback(app: Flask, error: type[Exception]) -> None:
    def view() -> dict[str, str]:
        assert commit_now(count_attempt)
        insert_note("note")
        raise error

    post_to_view(app, view)
    assert counted_attempts(app) == 1
    assert committed_notes(app) == (["note"] if issubclass(error, APIError) else [])


@pytest.mark.parametrize(
    "forbidden", [lambda: commit_now(count_attempt), release_connection, lambda: hashing.verify("x", None)]
)
def test_commit_now_release_or_hash_after_write_raises(app: Flask, forbidden: Callable[[], object]) -> None:
    """After a write, these calls would commit half of the work, or hold locks during a hash."""

    def written() -> None:
        insert_note("note")
        db.session.flush()
        forbidden()

    def added() -> None:
        insert_note("note")
        forbidden()

    def updated() -> None:
        db.session.execute(update(ScheduledRun).values(next_run_at=clock.now()))
        forbidden()

    for work in (written, added, updated):
        with pytest.raises(RuntimeError, match="already written"):
            in_transaction(app, work)
    assert counted_attempts(app) == 0
    assert committed_notes(app) == []


def test_after_commit_hook_is_skipped_on_rollback(app: Flask) -> None:
    called: list[str] = []

    def failing() -> None:
        after_commit(lambda: called.append("exception"))
        raise RuntimeError

    def rejecting() -> None:
        after_commit(lambda: called.append("API error"))
        raise NotFound

    for work in (failing, rejecting):
        with pytest.raises((RuntimeError, NotFound)):
            in_transaction(app, work)
    assert called == ["API error"]


def test_insert_conflict_is_retried_and_reads_the_winner(app: Flask) -> None:
    """The transaction that loses an INSERT reads the winner's row in a new transaction."""
    runs: list[int] = []

    def work() -> str:
        commit_now(count_attempt)
        runs.append(len(runs))
        if row := db.session.get(ScheduledRun, "note"):
            return f"found after {len(runs)} runs: {row.name}"
        insert_in_other_thread(app)
        insert_note("note")
        return "inserted"

    assert in_transaction(app, work) == "found after 2 runs: note"
    assert counted_attempts(app) == 1


def insert_in_other_thread(app: Flask) -> None:
    thread = threading.Thread(target=in_transaction, args=(app, lambda: insert_note("note")))
    thread.start()
    thread.join()


def test_repeated_insert_conflict_raises_after_5_runs(app: Flask) -> None:
    in_transaction(app, lambda: insert_note("note"))
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        insert_note("note")

    with pytest.raises(Exception, match=r"Integrity|UNIQUE|Duplicate"):
        in_transaction(app, work)
    assert len(runs) == 5


@pytest.fixture
def lock_holder(app: Flask, database: str) -> Iterator[Connection]:
    """Lock many rows in one connection. At a deadlock the server rolls back the transaction with the fewest changes."""
    in_transaction(app, lambda: db.session.add_all(scheduled_run(f"note {number}") for number in range(60)))
    engine = create_engine(with_driver(database))
    with engine.connect() as connection:
        connection.execute(update(ScheduledRun).where(ScheduledRun.name > "note 2").values(next_run_at=clock.now()))
        yield connection
    engine.dispose()


@ON_SERVERS
@pytest.mark.parametrize("has_savepoint", [False, True], ids=["transaction", "savepoint"])
def test_deadlock_retry_does_not_repeat_commit_now(app: Flask, lock_holder: Connection, has_savepoint: bool) -> None:
    runs, has_first_lock = [], threading.Event()

    def touch(name: str) -> None:
        db.session.execute(update(ScheduledRun).where(ScheduledRun.name == name).values(next_run_at=clock.now()))

    def work() -> int:
        assert commit_now(count_attempt)
        runs.append(1)
        with db.session.begin_nested() if has_savepoint else nullcontext():
            touch("note 1")
            has_first_lock.set()
            touch("note 5")
        return len(runs)

    def lock_in_reverse_order() -> None:
        has_first_lock.wait()
        lock_holder.execute(update(ScheduledRun).where(ScheduledRun.name == "note 1").values(next_run_at=clock.now()))
        lock_holder.commit()

    other = threading.Thread(target=lock_in_reverse_order)
    other.start()
    assert in_transaction(app, work) == 2
    other.join()
    assert counted_attempts(app) == 1


@ON_SERVERS
def test_lock_wait_timeout_returns_503_within_10_seconds(app: Flask, lock_holder: Connection) -> None:
    """Each run waits up to 3 seconds for the lock; the retries end before a request has waited for five runs."""

    def touch() -> None:
        db.session.execute(update(ScheduledRun).where(ScheduledRun.name == "note 5").values(next_run_at=clock.now()))

    def view() -> dict[str, str]:
        commit_now(touch)
        return {}

    started = time.monotonic()
    assert post_to_view(app, view) == (503, "unavailable")
    assert time.monotonic() - started < 10


@ON_SERVERS
def test_sql_syntax_error_returns_500_without_retry(app: Flask) -> None:
    runs: list[int] = []

    def view() -> dict[str, str]:
        runs.append(1)
        db.session.execute(text("SELECT FROM nothing"))
        return {}

    assert post_to_view(app, view) == (500, "internal_error")
    assert len(runs) == 1


def test_missing_table_returns_503(app: Flask) -> None:
    def view() -> dict[str, str]:
        db.session.execute(text("SELECT something FROM not_there_yet"))
        return {}

    assert post_to_view(app, view) == (503, "unavailable")


def test_connection_has_isolation_level_and_timeouts(make_app: MakeApp, database: str) -> None:
    app = make_app()
    with app.app_context():
        values = {
            name: db.session.execute(text(query)).scalar() for name, query in connection_queries(database).items()
        }
        isolation = db.session.connection().get_isolation_level()
        db.session.rollback()

    assert isolation == ("SERIALIZABLE" if database.startswith("sqlite") else "READ COMMITTED")
    assert values == (SQLITE_VALUES if database.startswith("sqlite") else SERVER_VALUES)


SQLITE_VALUES = {"journal": "wal", "synchronous": 2, "references": 1, "wait": 5000}
SERVER_VALUES = {"zone": "+00:00", "wait": 3, "strict": 1}


def connection_queries(database: str) -> dict[str, str]:
    if database.startswith("sqlite"):
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return dict(zip(SQLITE_VALUES, [f"PRAGMA {name}" for name in names], strict=True))
    return {
        "zone": "SELECT @@session.time_zone",
        "wait": "SELECT @@session.innodb_lock_wait_timeout",
        "strict": "SELECT @@session.sql_mode LIKE '%STRICT_ALL_TABLES%'",
    }


def test_transaction_outside_request_can_be_repeated(app: Flask) -> None:
    with app.app_context():
        transaction(lambda: commit_now(count_attempt))
        transaction(lambda: commit_now(count_attempt))

    assert counted_attempts(app) == 2


@pytest.mark.parametrize(("lost_races", "expected"), [(1, ["note"]), (2, [])])
def test_lost_race_after_slow_work_is_retried_once(app: Flask, lost_races: int, expected: list[str]) -> None:
    """A duplicate id of an event after seconds of work, such as the conversion of an image under load, is no 500."""
    remaining = iter(range(lost_races))

    def insert_after_lost_races() -> None:
        if next(remaining, None) is not None:
            raise IntegrityError("INSERT", None, Exception("UNIQUE constraint failed"))
        insert_note("note")

    with app.app_context():
        if expected:
            transaction(insert_after_lost_races, retry_window=0)
        else:
            with pytest.raises(Unavailable):
                transaction(insert_after_lost_races, retry_window=0)
    assert committed_notes(app) == expected
