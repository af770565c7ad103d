"""An answer commits, an accident rolls back, a lost race is run again, and what was spent at once stays spent."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import Connection, create_engine, select, text, update
from tests.conftest import MakeApp, servers
from tests.inside import refused, rows, within

from flaskauth.foundation import clock, hashing
from flaskauth.foundation.db import after_commit, at_once, db, release, transaction
from flaskauth.foundation.errors import NotFound, Problem
from flaskauth.foundation.http import public
from flaskauth.foundation.jobs import ScheduledRun
from flaskauth.settings import with_driver
from flaskauth.throttles import service as throttles
from flaskauth.throttles.service import Allowance

KEY = throttles.key_of("a guess")
GUESSES = Allowance(5, timedelta(hours=1))
ON_SERVERS = pytest.mark.parametrize("database", servers(), indirect=True)

View = Callable[[], dict[str, str]]


def guess() -> bool:
    return throttles.spend(KEY, GUESSES).granted


def row(name: str) -> ScheduledRun:
    return ScheduledRun(name=name, next_run_at=clock.now())


def note(name: str) -> None:
    db.session.add(row(name))


def notes(app: Flask) -> list[str]:
    return sorted(each.name for each in rows(app, select(ScheduledRun)) if each.name.startswith("note"))


def guesses(app: Flask) -> int:
    return within(app, lambda: throttles.spent(KEY))


def answers(app: Flask, view: View) -> tuple[int, str]:
    """What a route that does this answers."""
    app.add_url_rule("/work", view_func=public(view), methods=["POST"])
    answer = app.test_client().post("/work")
    return (200, "") if answer.status_code == 200 else refused(answer)


def test_an_answer_commits(app: Flask) -> None:
    def view() -> dict[str, str]:
        note("note")
        return {}

    assert answers(app, view) == (200, "")
    assert notes(app) == ["note"]


def test_a_refusal_is_an_answer(app: Flask) -> None:
    def view() -> dict[str, str]:
        note("note")
        raise NotFound

    assert answers(app, view) == (404, "not_found")
    assert notes(app) == ["note"]


def test_an_accident_rolls_back(app: Flask) -> None:
    def view() -> dict[str, str]:
        note("note")
        db.session.flush()
        raise RuntimeError("the reason, which nobody outside reads")

    assert answers(app, view) == (500, "internal_error")
    assert notes(app) == []


@pytest.mark.parametrize("end", [NotFound, RuntimeError])
def test_what_was_spent_at_once_stays_spent_however_it_ends(app: Flask, end: type[Exception]) -> None:
    def view() -> dict[str, str]:
        assert at_once(guess)
        note("note")
        raise end

    answers(app, view)
    assert guesses(app) == 1
    assert notes(app) == (["note"] if issubclass(end, Problem) else [])


@pytest.mark.parametrize("late", [lambda: at_once(guess), release, lambda: hashing.verify("x", None)])
def test_who_has_written_cannot_spend_or_hash_any_more(app: Flask, late: Callable[[], object]) -> None:
    """It would commit half of the work, or hold a lock while it hashes."""

    def written() -> None:
        note("note")
        db.session.flush()
        late()

    def added() -> None:
        note("note")
        late()

    def updated() -> None:
        db.session.execute(update(ScheduledRun).values(next_run_at=clock.now()))
        late()

    for work in (written, added, updated):
        with pytest.raises(RuntimeError, match="already written"):
            within(app, work)
    assert guesses(app) == 0
    assert notes(app) == []


def test_what_follows_a_commit_follows_no_accident(app: Flask) -> None:
    called: list[str] = []

    def failing() -> None:
        after_commit(lambda: called.append("failed"))
        raise RuntimeError

    def refusing() -> None:
        after_commit(lambda: called.append("refused"))
        raise NotFound

    for work in (failing, refusing):
        with pytest.raises((RuntimeError, NotFound)):
            within(app, work)
    assert called == ["refused"]


def test_a_lost_race_for_a_row_is_run_again_once_it_is_lost(app: Flask) -> None:
    """The loser of an INSERT reads the winner's row in a new transaction."""
    runs: list[int] = []

    def work() -> str:
        at_once(guess)
        runs.append(len(runs))
        if found := db.session.get(ScheduledRun, "note"):
            return f"found after {len(runs)} runs: {found.name}"
        win_elsewhere(app)
        note("note")
        return "made"

    assert within(app, work) == "found after 2 runs: note"
    assert guesses(app) == 1


def win_elsewhere(app: Flask) -> None:
    thread = threading.Thread(target=within, args=(app, lambda: note("note")))
    thread.start()
    thread.join()


def test_a_race_that_is_lost_again_and_again_is_given_up(app: Flask) -> None:
    within(app, lambda: note("note"))
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        note("note")

    with pytest.raises(Exception, match=r"Integrity|UNIQUE|Duplicate"):
        within(app, work)
    assert len(runs) == 5


@pytest.fixture
def heavy(app: Flask, database: str) -> Iterator[Connection]:
    """A connection with so much work that the server, which must end one of two, ends the other."""
    within(app, lambda: db.session.add_all(row(f"note {number}") for number in range(60)))
    engine = create_engine(with_driver(database))
    with engine.connect() as connection:
        connection.execute(update(ScheduledRun).where(ScheduledRun.name > "note 2").values(next_run_at=clock.now()))
        yield connection
    engine.dispose()


@ON_SERVERS
def test_a_deadlock_is_run_again_and_costs_no_second_guess(app: Flask, heavy: Connection) -> None:
    runs, mine_is_locked = [], threading.Event()

    def touch(name: str) -> None:
        db.session.execute(update(ScheduledRun).where(ScheduledRun.name == name).values(next_run_at=clock.now()))

    def work() -> int:
        assert at_once(guess)
        runs.append(1)
        touch("note 1")
        mine_is_locked.set()
        touch("note 5")
        return len(runs)

    def want_theirs() -> None:
        mine_is_locked.wait()
        heavy.execute(update(ScheduledRun).where(ScheduledRun.name == "note 1").values(next_run_at=clock.now()))
        heavy.commit()

    other = threading.Thread(target=want_theirs)
    other.start()
    assert within(app, work) == 2
    other.join()
    assert guesses(app) == 1


@ON_SERVERS
def test_a_row_that_somebody_holds_for_long_is_refused_in_time(app: Flask, heavy: Connection) -> None:
    """Each try waits for 3 seconds; nobody waits for five of them, at whichever commit."""

    def touch() -> None:
        db.session.execute(update(ScheduledRun).where(ScheduledRun.name == "note 5").values(next_run_at=clock.now()))

    def view() -> dict[str, str]:
        at_once(touch)
        return {}

    begun = time.monotonic()
    assert answers(app, view) == (503, "unavailable")
    assert time.monotonic() - begun < 10


@ON_SERVERS
def test_a_statement_that_makes_no_sense_is_our_fault_and_not_tried_again(app: Flask) -> None:
    runs: list[int] = []

    def view() -> dict[str, str]:
        runs.append(1)
        db.session.execute(text("SELECT FROM nothing"))
        return {}

    assert answers(app, view) == (500, "internal_error")
    assert len(runs) == 1


def test_before_the_schema_is_there_nothing_is_anybodys_fault(app: Flask) -> None:
    def view() -> dict[str, str]:
        db.session.execute(text("SELECT something FROM not_there_yet"))
        return {}

    assert answers(app, view) == (503, "unavailable")


def test_every_connection_reads_what_is_committed_and_waits_not_for_ever(make_app: MakeApp, database: str) -> None:
    app = make_app()
    with app.app_context():
        found = {name: db.session.execute(text(query)).scalar() for name, query in about(database).items()}
        isolation = db.session.connection().get_isolation_level()
        db.session.rollback()

    assert isolation == ("SERIALIZABLE" if database.startswith("sqlite") else "READ COMMITTED")
    assert found == (SQLITE if database.startswith("sqlite") else SERVER)


SQLITE = {"journal": "wal", "synchronous": 2, "references": 1, "wait": 5000}
SERVER = {"zone": "+00:00", "wait": 3, "strict": 1}


def about(database: str) -> dict[str, str]:
    if database.startswith("sqlite"):
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return dict(zip(SQLITE, [f"PRAGMA {name}" for name in names], strict=True))
    return {
        "zone": "SELECT @@session.time_zone",
        "wait": "SELECT @@session.innodb_lock_wait_timeout",
        "strict": "SELECT @@session.sql_mode LIKE '%STRICT_ALL_TABLES%'",
    }


def test_a_transaction_outside_of_a_request_leaves_nothing_behind(app: Flask) -> None:
    with app.app_context():
        transaction(lambda: at_once(guess))
        transaction(lambda: at_once(guess))

    assert guesses(app) == 2
