"""Check the database over a connection with the options of the server."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from flaskauth.core.context import settings
from flaskauth.core.db.engine import is_sqlite
from flaskauth.core.db.error_messages import describe
from flaskauth.core.db.session import db
from flaskauth.doctor import server, stored_data, tables
from flaskauth.doctor.findings import (
    FAILED,
    OK,
    CheckGroup,
    Finding,
    failed,
    failed_in_production,
    ok,
    run_checks,
    warning,
)
from flaskauth.health import MAX_CLOCK_DIFFERENCE, clock_difference
from flaskauth.migrations import is_current, is_newer, lock_owner

CLOCK_WARNING_SECONDS = 2
SERVER_ADVICE = "Start it, or correct host, user and password in SQLALCHEMY_DATABASE_URI."
MIGRATION_ADVICE = "Run flaskauth db upgrade: it waits for a running migration, or resumes an interrupted one."
FILE_ADVICE = "Check the permissions of the file and its folder, and the disk space. Otherwise restore a backup."


def _check_clock(connection: Connection) -> Finding:
    if is_sqlite(settings().database_url):
        return ok("SQLite uses the clock of this machine")
    difference = clock_difference(connection)
    summary = f"the clocks of this machine and the database differ by {difference.total_seconds():.1f} s"
    if difference > MAX_CLOCK_DIFFERENCE:
        return failed(
            f"{summary}: this server is not ready", "Configure NTP on both machines (chrony, systemd-timesyncd)."
        )
    if difference.total_seconds() > CLOCK_WARNING_SECONDS:
        return warning(summary, "Configure NTP on both machines (chrony, systemd-timesyncd).")
    return ok(summary)


def _check_schema(connection: Connection) -> Finding:
    if owner := lock_owner(connection):
        return warning(f"{owner} is running a migration, or was interrupted", MIGRATION_ADVICE)
    if is_current(connection):
        return ok("at the expected revision")
    if is_newer(connection):
        return ok("newer than this version expects; the server still works")
    return failed("not at the revision that this version expects", "Run flaskauth db upgrade.")


SERVER_CHECKS = {**server.CHECKS, "clock": _check_clock}
SCHEMA_CHECKS = {"schema": _check_schema}
ROW_CHECKS = {**tables.CHECKS, **stored_data.CHECKS}


def check_database() -> Iterator[Finding]:
    """Run the checks in order, and stop when a later check cannot work."""
    connected = _check_connection()
    yield replace(connected, check="database")
    if connected.state != OK:
        return
    with db.engine.connect() as connection:
        yield from run_checks(SERVER_CHECKS, connection)
        [schema] = run_checks(SCHEMA_CHECKS, connection)
        yield schema
        if schema.state != FAILED:
            yield from run_checks(ROW_CHECKS, connection)


def _check_connection() -> Finding:
    """Check that the database responds and has a supported version."""
    url = settings().database_url
    if is_sqlite(url) and not (url.database and Path(url.database).exists()):
        return _database_missing()
    try:
        with db.engine.connect() as connection:
            connection.execute(select(1))
            return server.check_version(connection)
    except SQLAlchemyError as error:
        target = url.database if is_sqlite(url) else url.host
        return failed(f"{target}: {describe(error)}", FILE_ADVICE if is_sqlite(url) else SERVER_ADVICE)


def _database_missing() -> Finding:
    if settings().sqlalchemy_database_uri is None:
        return failed_in_production("the database does not exist yet", "The first `flaskauth serve` creates it.")
    return failed("the file in SQLALCHEMY_DATABASE_URI does not exist", "flaskauth db upgrade creates it.")


GROUP = CheckGroup(
    ("database", *SERVER_CHECKS, *SCHEMA_CHECKS, *ROW_CHECKS),
    frozenset({"SQLALCHEMY_DATABASE_URI", "FLASKAUTH_INSTANCE_PATH"}),
    check_database,
)
