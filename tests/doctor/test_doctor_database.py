"""Findings about a misconfigured database, and about rows that indicate problems."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine
from tests.doctor.conftest import REMOTE_LOOKING_HOST
from tests.doctor.helpers import DoctorReport, run_doctor
from tests.e2e.installation import Installation
from tests.servers import Certificate, MariaDB

from flaskauth import migrations
from flaskauth.core import clock
from flaskauth.doctor import server
from flaskauth.settings import with_driver

OTHER_SECRET = "4pX-another-secret-kL0wZr8TqYb2Nf6Vh"
INSERT_MAIL = (
    "INSERT INTO outbox (id, template, recipient, context, locale, state, attempts, created_at, next_attempt_at,"
    " leased_until, expires_at, message_id) VALUES (1, 'package/name', 'ada@example.com', '{{}}', 'en', '{state}', 0,"
    " UTC_TIMESTAMP(), UTC_TIMESTAMP() - INTERVAL {minutes} MINUTE, UTC_TIMESTAMP() + INTERVAL 1 HOUR,"
    " UTC_TIMESTAMP() + INTERVAL 1 HOUR, '<1@example.com>')"
)


@contextmanager
def changed_rows(installation: Installation, change: str, undo: str) -> Iterator[None]:
    """Change rows or tables, and undo the change afterwards."""
    installation.execute_sql(change)
    try:
        yield
    finally:
        installation.execute_sql(undo)


@contextmanager
def server_variable(durable: MariaDB, name: str, value: int, default: int) -> Iterator[None]:
    """Set a global variable of the database server, and restore it afterwards."""
    durable.execute(f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        durable.execute(f"SET GLOBAL {name} = {default}")


@contextmanager
def moved_clock(delta: timedelta) -> Iterator[None]:
    clock.travel(delta)
    yield
    clock.travel(-delta)


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "latin1_swedish_ci"])
def test_wrong_collation_fails(installation: Installation, collation: str) -> None:
    convert = "ALTER TABLE outbox CONVERT TO CHARACTER SET {} COLLATE {}"
    change, undo = convert.format(collation.partition("_")[0], collation), convert.format("utf8mb4", "utf8mb4_bin")
    with changed_rows(installation, change, undo):
        report = run_doctor(installation.workspace).assert_only_failure("tables")

    assert "collation is not utf8mb4_bin: outbox, outbox.context" in report


def test_non_transactional_engine_fails(installation: Installation) -> None:
    with changed_rows(
        installation, "ALTER TABLE rate_limit_counters ENGINE=Aria", "ALTER TABLE rate_limit_counters ENGINE=InnoDB"
    ):
        assert "storage engine is not InnoDB: rate_limit_counters" in run_doctor(
            installation.workspace
        ).assert_only_failure("tables")


def test_default_collation_of_database_is_ignored(installation: Installation) -> None:
    assert "the database default is latin1_swedish_ci" in run_doctor(installation.workspace).finding_text(
        "tables", "ok"
    )


def test_wrong_connection_settings_fail(mariadb: MariaDB, mariadb_url: str) -> None:
    """As behind a proxy that overrides the settings: the engine always requests the right ones."""
    engine = create_engine(with_driver(mariadb_url), isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        connection.exec_driver_sql("SET time_zone = '+05:45', sql_mode = ''")
        finding = server.check_session(connection)
    engine.dispose()

    assert finding.state == "failed"
    assert all(word in finding.detail for word in ("READ COMMITTED", "+00:00", "STRICT_ALL_TABLES"))


@pytest.mark.parametrize(("wait", "state"), [(0, "warning"), (6, "warning"), (7, "ok")])
def test_galera_sync_wait_below_7_warns(wait: int, state: str) -> None:
    with MariaDB("--wsrep-on=ON", "--binlog-format=ROW", f"--wsrep-sync-wait={wait}") as node:
        engine = create_engine(node.root, poolclass=NullPool)
        with engine.connect() as connection:
            assert server.check_cluster(connection).state == state


@pytest.mark.parametrize(("name", "value"), [("innodb_flush_log_at_trx_commit", 2), ("sync_binlog", 0)])
def test_non_durable_settings_fail(installation: Installation, durable_mariadb: MariaDB, name: str, value: int) -> None:
    with server_variable(durable_mariadb, name, value, default=1):
        report = run_doctor(installation.workspace).assert_only_failure("durability")

    assert f"{name}={value}" in report


def test_non_durable_settings_warn_in_development(installation: Installation, durable_mariadb: MariaDB) -> None:
    with server_variable(durable_mariadb, "innodb_flush_log_at_trx_commit", 2, default=1):
        assert run_doctor(installation.workspace.with_settings(FLASKAUTH_ENV="development")).assert_warning(
            "durability"
        )


def test_read_only_database_fails(installation: Installation, durable_mariadb: MariaDB) -> None:
    with server_variable(durable_mariadb, "read_only", 1, default=0):
        assert "read-only" in run_doctor(installation.workspace).assert_only_failure("writable")


def test_too_few_database_connections_fail(installation: Installation) -> None:
    report = run_doctor(installation.workspace.with_settings(WEB_CONCURRENCY="8")).assert_only_failure("connections")

    assert "with WEB_CONCURRENCY=8, the server can open 267 connections, but only 151 are allowed" in report


def test_old_mariadb_version_fails() -> None:
    with MariaDB("--version=10.4.1-MariaDB") as mariadb:
        engine = create_engine(with_driver(mariadb.url("")))
        with engine.connect() as connection:
            finding = server.check_version(connection)
        engine.dispose()

    assert (finding.state, finding.detail) == ("failed", "MariaDB 10.4.1 is too old")


def test_database_connection_without_tls_warns(installation: Installation, mariadb_url: str) -> None:
    url = mariadb_url.replace("127.0.0.1", REMOTE_LOOKING_HOST)

    report = run_doctor(installation.workspace.with_settings(SQLALCHEMY_DATABASE_URI=url)).finding_text(
        "encryption", "warning"
    )

    assert "not encrypted" in report
    assert "?ssl_ca=" in report


def test_database_tls_without_verified_ca_warns(
    installation: Installation, database_certificate: Certificate, tmp_path: Path
) -> None:
    url = installation.workspace.settings["SQLALCHEMY_DATABASE_URI"].replace("127.0.0.1", REMOTE_LOOKING_HOST)
    authority = tmp_path / "authority.pem"
    authority.write_text(database_certificate.ca_pem)

    unverified = run_doctor(installation.workspace.with_settings(SQLALCHEMY_DATABASE_URI=url))
    verified = run_doctor(installation.workspace.with_settings(SQLALCHEMY_DATABASE_URI=f"{url}?ssl_ca={authority}"))

    assert "without verification of the server certificate" in unverified.assert_warning("encryption")
    assert "TLS (" in verified.finding_text("encryption", "ok")


def test_outdated_schema_fails(installation: Installation, empty_database_url: str) -> None:
    migrations.upgrade(with_driver(empty_database_url), "0001")

    report = run_doctor(installation.workspace.with_settings(SQLALCHEMY_DATABASE_URI=empty_database_url))

    assert "flaskauth db upgrade" in report.assert_only_failure("schema")
    assert "schedule" in report.checks_in_state("skipped")


def test_newer_schema_passes(installation: Installation) -> None:
    set_version = "UPDATE alembic_version SET version_num = '{}'"
    with changed_rows(installation, set_version.format("9999"), set_version.format(migrations.head())):
        assert "newer" in run_doctor(installation.workspace).finding_text("schema", "ok")


def test_held_migration_lock_warns(installation: Installation) -> None:
    set_owner = "UPDATE schema_locks SET owner = {}"
    with changed_rows(installation, set_owner.format("'ada, process 7 (cafe)'"), set_owner.format("NULL")):
        assert "ada, process 7 (cafe) is running a migration" in run_doctor(installation.workspace).assert_warning(
            "schema"
        )


def test_missing_schema_fails(installation: Installation, empty_database_url: str) -> None:
    assert run_doctor(
        installation.workspace.with_settings(SQLALCHEMY_DATABASE_URI=empty_database_url)
    ).assert_only_failure("schema")


def test_schema_before_first_start_warns(installation: Installation, empty_database_url: str) -> None:
    migrations.upgrade(with_driver(empty_database_url))

    report = run_doctor(installation.workspace.with_settings(SQLALCHEMY_DATABASE_URI=empty_database_url))

    assert {"signing-keys", "schedule"} <= report.checks_in_state("warning")
    assert report.ok


def test_clock_skew_fails_or_warns(installation: Installation) -> None:
    with moved_clock(timedelta(seconds=45)):
        assert "s: this server is not ready" in run_doctor(installation.workspace).assert_only_failure("clock")
    with moved_clock(timedelta(seconds=-6)):
        assert "clocks of this machine and the database differ by" in run_doctor(installation.workspace).assert_warning(
            "clock"
        )


def test_overdue_signing_key_rotation_fails(installation: Installation) -> None:
    shift = "UPDATE signing_keys SET active_from = active_from {} INTERVAL 40 DAY"
    with changed_rows(installation, shift.format("-"), shift.format("+")):
        assert "the newest key has been signing for 40 days" in run_doctor(installation.workspace).assert_only_failure(
            "signing-keys"
        )


def test_signing_keys_under_another_secret_fail(installation: Installation) -> None:
    workspace = installation.workspace.with_settings(SECRET_KEY=OTHER_SECRET)

    assert "SECRET_KEY_FALLBACKS" in run_doctor(workspace).assert_only_failure("signing-keys")
    report = run_doctor(workspace.with_settings(SECRET_KEY_FALLBACKS=installation.secret))
    assert "still needed by 1 signing key," in report.finding_text("secret-fallbacks", "ok")


def test_unused_secret_fallback_is_reported(installation: Installation) -> None:
    report = run_doctor(installation.workspace.with_settings(SECRET_KEY_FALLBACKS=OTHER_SECRET))

    assert "30 days after the change no session does" in report.finding_text("secret-fallbacks", "ok")


def test_overdue_mail_fails(installation: Installation) -> None:
    with changed_rows(installation, INSERT_MAIL.format(state="queued", minutes=10), "DELETE FROM outbox WHERE id = 1"):
        assert "1 mail is waiting, the oldest due for 60" in run_doctor(installation.workspace).assert_only_failure(
            "outbox"
        )


def test_undelivered_mail_warns(installation: Installation) -> None:
    with changed_rows(installation, INSERT_MAIL.format(state="failed", minutes=1), "DELETE FROM outbox WHERE id = 1"):
        assert "flaskauth mail list --state failed" in run_doctor(installation.workspace).assert_warning("failed-mail")


def test_stopped_worker_fails_schedule_check(installation: Installation) -> None:
    """The row is changed to represent a worker that stopped ten minutes ago."""
    undo = "UPDATE scheduled_runs SET next_run_at = UTC_TIMESTAMP(6) - INTERVAL 10 MINUTE WHERE name = 'schedule'"
    installation.worker.close()
    installation.execute_sql(undo)
    report = run_doctor(installation.workspace).assert_only_failure("schedule")
    installation.start_worker()
    installation.worker.wait_until(
        lambda: "the periodic jobs run" in _schedule_finding(run_doctor(installation.workspace))
    )

    assert "no server or worker has run the periodic jobs since" in report
    assert "celery -A flaskauth.celery worker" in report


def _schedule_finding(report: DoctorReport) -> str:
    return next(finding["found"] for finding in report.findings if finding["check"] == "schedule")
