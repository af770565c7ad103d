"""What a connection of ours is, whatever the server's own defaults are: on every database server, by every driver."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, NullPool, create_engine, insert, select, text, update
from sqlalchemy.exc import DataError, DBAPIError
from tests.conftest import servers
from tests.inside import within
from tests.journeys.processes import Place
from tests.servers.sql import FAR_FROM_UTC

from flaskauth.foundation import clock
from flaskauth.foundation.db import db
from flaskauth.foundation.engine import ANSWER_TIMEOUT, MODE
from flaskauth.places.models import Country
from flaskauth.settings import with_driver
from flaskauth.throttles.models import Budget

KEY = bytes(range(224, 256))  # not UTF-8
WHEN = datetime(2026, 3, 29, 1, 30, 0, 123456, UTC)  # an hour that there was twice, or not at all, in much of the world
CAT = "Grüße 🐈"

pytestmark = pytest.mark.parametrize("database", servers(), indirect=True)


@pytest.fixture
def engine(app: Flask) -> Engine:
    with app.app_context():
        return db.engine


@pytest.fixture
def elsewhere(database: str) -> Iterator[Engine]:
    """Another program's connections, as the server makes them by default."""
    found = create_engine(with_driver(database), poolclass=NullPool)
    yield found
    found.dispose()


def ask(engine: Engine, query: str, **values: object) -> Any:
    """The one row of an answer."""
    with engine.connect() as connection:
        return connection.execute(text(query), values).one()


def spend(engine: Engine, spent: int = 1) -> None:
    with engine.begin() as connection:
        connection.execute(insert(Budget).values(key=KEY, spent=spent, resets_at=WHEN))


def test_every_letter_comes_back(engine: Engine, elsewhere: Engine) -> None:
    spoken = ask(engine, "SELECT @@character_set_client, @@character_set_connection, @@character_set_results")

    assert set(spoken) == {"utf8mb4"}
    assert tuple(ask(engine, "SELECT :cat, HEX(:cat)", cat=CAT)) == (CAT, CAT.encode().hex().upper())
    assert ask(elsewhere, "SELECT @@character_set_database")[0] == "latin1"


def test_text_is_the_same_only_letter_by_letter(engine: Engine) -> None:
    def called(code: str) -> int:
        with engine.connect() as connection:
            return len(connection.execute(select(Country.id).where(Country.code == code)).all())

    assert [called(code) for code in ("NG", "ng", "Ng", "ŃG")] == [1, 0, 0, 0]


def test_bytes_that_are_no_text_come_back_and_are_found(engine: Engine) -> None:
    spend(engine)

    with engine.connect() as connection:
        assert connection.scalars(select(Budget.key).where(Budget.key == KEY)).all() == [KEY]
        assert connection.scalars(select(Budget.key).where(Budget.key == KEY[:-1])).all() == []


def test_a_row_that_is_found_counts_though_nothing_in_it_changes(engine: Engine) -> None:
    """The number of rows decides who won."""
    spend(engine)

    with engine.begin() as connection:
        assert [connection.execute(update(Budget).values(spent=1)).rowcount for _ in range(2)] == [1, 1]


def test_what_others_have_committed_is_read_at_once(engine: Engine, elsewhere: Engine) -> None:
    spend(engine)
    with engine.connect() as reader:
        assert reader.get_isolation_level() == "READ COMMITTED"
        assert reader.scalar(select(Budget.spent)) == 1
        with elsewhere.begin() as writer:
            writer.execute(update(Budget).values(spent=2))
        assert reader.scalar(select(Budget.spent)) == 2


def test_what_others_have_not_committed_is_not_read(engine: Engine, elsewhere: Engine) -> None:
    spend(engine)
    with engine.connect() as reader, elsewhere.connect() as writer:
        writer.execute(update(Budget).values(spent=2))
        assert reader.scalar(select(Budget.spent)) == 1


def test_times_are_utc_to_the_microsecond_whatever_the_zone_of_the_server(engine: Engine, elsewhere: Engine) -> None:
    spend(engine)

    with engine.connect() as connection:
        assert connection.scalar(select(Budget.resets_at)) == WHEN
        now = connection.scalar(text("SELECT NOW()"))
    assert isinstance(now, datetime)
    assert abs(now.replace(tzinfo=UTC) - clock.now()).total_seconds() < 10
    assert ask(engine, "SELECT @@time_zone")[0] == "+00:00"
    seen = ask(elsewhere, "SELECT @@time_zone, CAST(resets_at AS CHAR) FROM budgets")
    assert tuple(seen) == (FAR_FROM_UTC, "2026-03-29 01:30:00.123456")


def test_what_does_not_fit_is_refused_and_never_cut(engine: Engine) -> None:
    assert set(str(ask(engine, "SELECT @@sql_mode")[0]).split(",")) == set(MODE.split(","))
    with engine.connect() as connection, pytest.raises(DataError):
        connection.execute(insert(Country).values(id=1, code="XXX", name="Nowhere"))


def test_an_answer_that_does_not_come_is_not_waited_for(engine: Engine) -> None:
    begun = time.monotonic()
    with pytest.raises(DBAPIError) as problem:
        ask(engine, "SELECT SLEEP(20)")

    assert problem.value.connection_invalidated
    assert ANSWER_TIMEOUT - 0.5 < time.monotonic() - begun < ANSWER_TIMEOUT + 3
    assert ask(engine, "SELECT 1")[0] == 1


def test_a_connection_that_the_server_ends_in_the_middle_is_a_lost_race(app: Flask) -> None:
    runs: list[int] = []

    def work() -> int:
        runs.append(1)
        if len(runs) == 1:
            db.session.execute(text("SET SESSION wait_timeout = 1"))
            time.sleep(2)
        return int(db.session.execute(text("SELECT 7")).scalar_one())

    assert within(app, work) == 7
    assert len(runs) == 2


def test_processes_of_their_own_use_the_driver_of_the_tests(database: str, tmp_path: Path) -> None:
    program = "from flaskauth.settings import with_driver; print(with_driver('mysql://').drivername)"

    assert Place(tmp_path).run("python", "-c", program).strip() == with_driver(database).drivername
