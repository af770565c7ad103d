"""A database that is set up otherwise than it must be, and rows that tell of trouble."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine
from tests.doctor.conftest import BY_A_LONGER_WAY
from tests.doctor.examining import Told, examined
from tests.journeys.installation import Installation
from tests.servers import Certificate, MariaDB

from flaskauth import migrations
from flaskauth.doctor import server
from flaskauth.foundation import clock
from flaskauth.settings import with_driver

ANOTHER = "4pX-another-secret-kL0wZr8TqYb2Nf6Vh"
MAIL = (
    "INSERT INTO outbox (id, template, recipient, context, locale, state, tries, created_at, next_try_at,"
    " leased_until, expires_at, message_id) VALUES (1, 'room/name', 'ada@example.com', '{{}}', 'en', '{state}', 0,"
    " UTC_TIMESTAMP(), UTC_TIMESTAMP() - INTERVAL {minutes} MINUTE, UTC_TIMESTAMP() + INTERVAL 1 HOUR,"
    " UTC_TIMESTAMP() + INTERVAL 1 HOUR, '<1@example.com>')"
)


@contextmanager
def changed(installation: Installation, there: str, back: str) -> Iterator[None]:
    """A change of the rows or tables, taken back afterwards."""
    installation.execute(there)
    try:
        yield
    finally:
        installation.execute(back)


@contextmanager
def set_up(durable: MariaDB, name: str, value: int, usual: int) -> Iterator[None]:
    """The server of the installation's database, otherwise than usual."""
    durable.execute(f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        durable.execute(f"SET GLOBAL {name} = {usual}")


@contextmanager
def moved(by: timedelta) -> Iterator[None]:
    clock.travel(by)
    yield
    clock.travel(-by)


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "latin1_swedish_ci"])
def test_names_that_look_alike_would_be_one(installation: Installation, collation: str) -> None:
    convert = "ALTER TABLE outbox CONVERT TO CHARACTER SET {} COLLATE {}"
    there, back = convert.format(collation.partition("_")[0], collation), convert.format("utf8mb4", "utf8mb4_bin")
    with changed(installation, there, back):
        told = examined(installation.place).fails_only("tables")

    assert "not in utf8mb4_bin: outbox, outbox.context" in told


def test_a_table_that_undoes_nothing(installation: Installation) -> None:
    with changed(installation, "ALTER TABLE budgets ENGINE=Aria", "ALTER TABLE budgets ENGINE=InnoDB"):
        assert "not in InnoDB: budgets" in examined(installation.place).fails_only("tables")


def test_what_the_database_gives_to_other_tables_does_not_matter(installation: Installation) -> None:
    assert "the database's default, latin1_swedish_ci, is for others" in examined(installation.place).of("tables", "ok")


def test_connections_that_lost_what_they_asked_for(mariadb: MariaDB, mariadb_url: str) -> None:
    """As behind a proxy that answers for the database: the engine itself always asks."""
    engine = create_engine(with_driver(mariadb_url), isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        connection.exec_driver_sql("SET time_zone = '+05:45', sql_mode = ''")
        lost = server.session(connection)
    engine.dispose()

    assert lost.state == "failed"
    assert all(word in lost.found for word in ("READ COMMITTED", "+00:00", "STRICT_ALL_TABLES"))


@pytest.mark.parametrize(("wait", "state"), [(0, "warning"), (6, "warning"), (7, "ok")])
def test_a_node_that_reads_what_is_old(wait: int, state: str) -> None:
    with MariaDB("--wsrep-on=ON", "--binlog-format=ROW", f"--wsrep-sync-wait={wait}") as node:
        engine = create_engine(node.root, poolclass=NullPool)
        with engine.connect() as connection:
            assert server.cluster(connection).state == state


@pytest.mark.parametrize(("name", "value"), [("innodb_flush_log_at_trx_commit", 2), ("sync_binlog", 0)])
def test_a_database_that_a_power_cut_sets_back(
    installation: Installation, durable: MariaDB, name: str, value: int
) -> None:
    with set_up(durable, name, value, usual=1):
        told = examined(installation.place).fails_only("durability")

    assert f"{name}={value}" in told


def test_development_may_have_it(installation: Installation, durable: MariaDB) -> None:
    with set_up(durable, "innodb_flush_log_at_trx_commit", 2, usual=1):
        assert examined(installation.place.having(FLASKAUTH_ENV="development")).warns("durability")


def test_a_read_only_database(installation: Installation, durable: MariaDB) -> None:
    with set_up(durable, "read_only", 1, usual=0):
        assert "read-only" in examined(installation.place).fails_only("writable")


def test_fewer_connections_than_the_processes_may_want(installation: Installation) -> None:
    told = examined(installation.place.having(WEB_CONCURRENCY="8")).fails_only("connections")

    assert "8 processes may want 263 connections, and 151 are given" in told


def test_a_database_that_is_too_old() -> None:
    with MariaDB("--version=10.4.1-MariaDB") as old:
        engine = create_engine(with_driver(old.url("")))
        with engine.connect() as connection:
            found = server.version(connection)
        engine.dispose()

    assert (found.state, found.found) == ("failed", "MariaDB 10.4.1 is too old")


def test_a_way_to_the_database_on_which_others_listen(installation: Installation, mariadb_url: str) -> None:
    """One without TLS."""
    url = mariadb_url.replace("127.0.0.1", BY_A_LONGER_WAY)

    told = examined(installation.place.having(SQLALCHEMY_DATABASE_URI=url)).of("encryption", "warning")

    assert "in clear" in told
    assert "?ssl_ca=" in told


def test_a_way_to_the_database_that_is_proven(
    installation: Installation, database_certificate: Certificate, tmp_path: Path
) -> None:
    url = installation.place.settings["SQLALCHEMY_DATABASE_URI"].replace("127.0.0.1", BY_A_LONGER_WAY)
    authority = tmp_path / "authority.pem"
    authority.write_text(database_certificate.authority)

    unproven = examined(installation.place.having(SQLALCHEMY_DATABASE_URI=url))
    proven = examined(installation.place.having(SQLALCHEMY_DATABASE_URI=f"{url}?ssl_ca={authority}"))

    assert "need not prove who it is" in unproven.warns("encryption")
    assert "over TLS" in proven.of("encryption", "ok")


def test_an_old_schema(installation: Installation, empty: str) -> None:
    migrations.upgrade(with_driver(empty), "0001")

    told = examined(installation.place.having(SQLALCHEMY_DATABASE_URI=empty))

    assert "flaskauth db upgrade" in told.fails_only("schema")
    assert "schedule" in told.checks("skipped")


def test_a_newer_schema_is_none_to_mend(installation: Installation) -> None:
    stands = "UPDATE alembic_version SET version_num = '{}'"
    with changed(installation, stands.format("9999"), stands.format(migrations.head())):
        assert "newer" in examined(installation.place).of("schema", "ok")


def test_somebody_who_migrates_or_died_while_he_did(installation: Installation) -> None:
    owner = "UPDATE schema_locks SET owner = {}"
    with changed(installation, owner.format("'ada, process 7 (cafe)'"), owner.format("NULL")):
        assert "ada, process 7 (cafe) is changing it" in examined(installation.place).warns("schema")


def test_no_schema(installation: Installation, empty: str) -> None:
    assert examined(installation.place.having(SQLALCHEMY_DATABASE_URI=empty)).fails_only("schema")


def test_a_schema_without_a_start(installation: Installation, empty: str) -> None:
    migrations.upgrade(with_driver(empty))

    told = examined(installation.place.having(SQLALCHEMY_DATABASE_URI=empty))

    assert {"signing-keys", "schedule"} <= told.checks("warning")
    assert told.ok


def test_a_clock_that_is_wrong(installation: Installation) -> None:
    with moved(timedelta(seconds=45)):
        assert "s apart: this server is not ready" in examined(installation.place).fails_only("clock")
    with moved(timedelta(seconds=-6)):
        assert "s apart" in examined(installation.place).warns("clock")


def test_a_signing_key_that_nobody_rotates(installation: Installation) -> None:
    shift = "UPDATE signing_keys SET signs_from = signs_from {} INTERVAL 40 DAY"
    with changed(installation, shift.format("-"), shift.format("+")):
        assert "the newest has signed for 40 days" in examined(installation.place).fails_only("signing-keys")


def test_keys_that_were_sealed_with_another_secret(installation: Installation) -> None:
    place = installation.place.having(SECRET_KEY=ANOTHER)

    assert "SECRET_KEY_FALLBACKS" in examined(place).fails_only("signing-keys")
    told = examined(place.having(SECRET_KEY_FALLBACKS=installation.secret))
    assert "still needed by 1 signing key," in told.of("secret-fallbacks", "ok")


def test_a_fallback_that_can_go(installation: Installation) -> None:
    told = examined(installation.place.having(SECRET_KEY_FALLBACKS=ANOTHER))

    assert "30 days after the change no session does" in told.of("secret-fallbacks", "ok")


def test_mail_that_nobody_sends(installation: Installation) -> None:
    with changed(installation, MAIL.format(state="queued", minutes=10), "DELETE FROM outbox WHERE id = 1"):
        assert "1 mail waits, the longest due for 60" in examined(installation.place).fails_only("outbox")


def test_mail_that_could_not_be_delivered(installation: Installation) -> None:
    with changed(installation, MAIL.format(state="dead", minutes=1), "DELETE FROM outbox WHERE id = 1"):
        assert "flaskauth mail list --state dead" in examined(installation.place).warns("dead-mail")


def test_a_dead_worker(installation: Installation) -> None:
    """Minutes later; the row stands for them."""
    back = "UPDATE scheduled_runs SET next_run_at = UTC_TIMESTAMP(6) - INTERVAL 10 MINUTE WHERE name = 'schedule'"
    installation.worker.close()
    installation.execute(back)
    told = examined(installation.place).fails_only("schedule")
    installation.start_worker()
    installation.worker.wait_until(lambda: "is kept up" in _schedule(examined(installation.place)))

    assert "nobody has done its work since" in told
    assert "celery -A flaskauth.celery worker" in told


def _schedule(told: Told) -> str:
    return next(each["found"] for each in told.findings if each["check"] == "schedule")
