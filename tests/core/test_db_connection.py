"""Properties of database connections, independent of the server's defaults, on every server and driver."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, NullPool, create_engine, insert, select, text, update
from sqlalchemy.exc import DataError, DBAPIError
from tests.conftest import sql_servers
from tests.e2e.processes import Workspace
from tests.servers.sql import NON_UTC_TIME_ZONE
from tests.support.inspect import in_transaction

from flaskauth.core import clock
from flaskauth.core.db.engine import READ_TIMEOUT, SQL_MODE
from flaskauth.core.db.session import db
from flaskauth.countries.models import Country
from flaskauth.rate_limits.models import RateLimitCounter
from flaskauth.settings import with_driver

KEY = bytes(range(224, 256))  # not UTF-8
WHEN = datetime(2026, 3, 29, 1, 30, 0, 123456, UTC)  # skipped or repeated by daylight saving time in many zones
UNICODE_TEXT = "Grüße 🐈"

pytestmark = pytest.mark.parametrize("database", sql_servers(), indirect=True)


@pytest.fixture
def engine(app: Flask) -> Engine:
    with app.app_context():
        return db.engine


@pytest.fixture
def default_engine(database: str) -> Iterator[Engine]:
    """Connect as a different program does, with the server's defaults."""
    engine = create_engine(with_driver(database), poolclass=NullPool)
    yield engine
    engine.dispose()


def query_one(engine: Engine, query: str, **values: object) -> Any:
    """Return the only row of the result."""
    with engine.connect() as connection:
        return connection.execute(text(query), values).one()


def insert_counter(engine: Engine, count: int = 1) -> None:
    with engine.begin() as connection:
        connection.execute(insert(RateLimitCounter).values(key=KEY, count=count, resets_at=WHEN))


def test_db_unicode_utf8mb4_text_round_trips(engine: Engine, default_engine: Engine) -> None:
    character_sets = query_one(
        engine, "SELECT @@character_set_client, @@character_set_connection, @@character_set_results"
    )

    assert set(character_sets) == {"utf8mb4"}
    assert tuple(query_one(engine, "SELECT :cat, HEX(:cat)", cat=UNICODE_TEXT)) == (
        UNICODE_TEXT,
        UNICODE_TEXT.encode().hex().upper(),
    )
    assert query_one(default_engine, "SELECT @@character_set_database")[0] == "latin1"


def test_db_text_comparison_respects_case_and_accents(engine: Engine) -> None:
    def matching_rows(code: str) -> int:
        with engine.connect() as connection:
            return len(connection.execute(select(Country.id).where(Country.code == code)).all())

    assert [matching_rows(code) for code in ("NG", "ng", "Ng", "ŃG")] == [1, 0, 0, 0]


def test_db_binary_key_round_trips_and_matches_exactly(engine: Engine) -> None:
    insert_counter(engine)

    with engine.connect() as connection:
        assert connection.scalars(select(RateLimitCounter.key).where(RateLimitCounter.key == KEY)).all() == [KEY]
        assert connection.scalars(select(RateLimitCounter.key).where(RateLimitCounter.key == KEY[:-1])).all() == []


def test_db_update_rowcount_includes_unchanged_rows(engine: Engine) -> None:
    """The row count of a conditional UPDATE decides which request wins; MySQL counts only changed rows by default."""
    insert_counter(engine)

    with engine.begin() as connection:
        assert [connection.execute(update(RateLimitCounter).values(count=1)).rowcount for _ in range(2)] == [1, 1]


def test_db_read_committed_sees_committed_rows(engine: Engine, default_engine: Engine) -> None:
    insert_counter(engine)
    with engine.connect() as reader:
        assert reader.get_isolation_level() == "READ COMMITTED"
        assert reader.scalar(select(RateLimitCounter.count)) == 1
        with default_engine.begin() as writer:
            writer.execute(update(RateLimitCounter).values(count=2))
        assert reader.scalar(select(RateLimitCounter.count)) == 2


def test_db_read_committed_hides_uncommitted_rows(engine: Engine, default_engine: Engine) -> None:
    insert_counter(engine)
    with engine.connect() as reader, default_engine.connect() as writer:
        writer.execute(update(RateLimitCounter).values(count=2))
        assert reader.scalar(select(RateLimitCounter.count)) == 1


def test_db_datetime_is_utc_with_microseconds(engine: Engine, default_engine: Engine) -> None:
    insert_counter(engine)

    with engine.connect() as connection:
        assert connection.scalar(select(RateLimitCounter.resets_at)) == WHEN
        now = connection.scalar(text("SELECT NOW()"))
    assert isinstance(now, datetime)
    assert abs(now.replace(tzinfo=UTC) - clock.now()).total_seconds() < 10
    assert query_one(engine, "SELECT @@time_zone")[0] == "+00:00"
    stored = query_one(default_engine, "SELECT @@time_zone, CAST(resets_at AS CHAR) FROM rate_limit_counters")
    assert tuple(stored) == (NON_UTC_TIME_ZONE, "2026-03-29 01:30:00.123456")


def test_db_strict_mode_rejects_oversized_value(engine: Engine) -> None:
    assert set(str(query_one(engine, "SELECT @@sql_mode")[0]).split(",")) == set(SQL_MODE.split(","))
    with engine.connect() as connection, pytest.raises(DataError):
        connection.execute(insert(Country).values(id=1, code="XXX", name="Nowhere"))


def test_db_slow_query_times_out_and_invalidates(engine: Engine) -> None:
    started = time.monotonic()
    with pytest.raises(DBAPIError) as error:
        query_one(engine, "SELECT SLEEP(20)")

    assert error.value.connection_invalidated
    assert READ_TIMEOUT - 0.5 < time.monotonic() - started < READ_TIMEOUT + 3
    assert query_one(engine, "SELECT 1")[0] == 1


def test_db_connection_lost_in_transaction_is_retried(app: Flask) -> None:
    runs: list[int] = []

    def work() -> int:
        runs.append(1)
        if len(runs) == 1:
            db.session.execute(text("SET SESSION wait_timeout = 1"))
            time.sleep(2)
        return int(db.session.execute(text("SELECT 7")).scalar_one())

    assert in_transaction(app, work) == 7
    assert len(runs) == 2


def test_subprocess_uses_the_same_db_driver(database: str, tmp_path: Path) -> None:
    program = "from flaskauth.settings import with_driver; print(with_driver('mysql://').drivername)"

    assert Workspace(tmp_path).run("python", "-c", program).strip() == with_driver(database).drivername
