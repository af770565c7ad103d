"""The database, seen over a connection like those that the server makes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from flaskauth.doctor import server, stored, tables
from flaskauth.doctor.findings import FAILED, OK, Finding, Subject, doubtful, each, fine, serious, wrong
from flaskauth.foundation.complaints import in_words
from flaskauth.foundation.current import settings
from flaskauth.foundation.db import db
from flaskauth.foundation.engine import is_sqlite
from flaskauth.health import CLOCKS_APART, clocks_apart
from flaskauth.migrations import is_current, is_newer, under_way

NOTICEABLE = 2  # seconds
OF_SERVER_AWAY = "Start it, or correct SQLALCHEMY_DATABASE_URI: host, name, password."
GOES_ON = "flaskauth db upgrade waits for it, or goes on where it broke off."
OF_FILE = "May this user write the file and its folder, and is the disk not full? Else take its backup."


def _clock(connection: Connection) -> Finding:
    if is_sqlite(settings().database_url):
        return fine("SQLite has this machine's clock")
    apart = clocks_apart(connection)
    told = f"this machine's and the database's clock are {apart.total_seconds():.1f} s apart"
    if apart > CLOCKS_APART:
        return wrong(f"{told}: this server is not ready", "Set both by NTP (chrony, systemd-timesyncd).")
    if apart.total_seconds() > NOTICEABLE:
        return doubtful(told, "Set both by NTP (chrony, systemd-timesyncd).")
    return fine(told)


def _schema(connection: Connection) -> Finding:
    if who := under_way(connection):
        return doubtful(f"{who} is changing it, or died while it did", GOES_ON)
    if is_current(connection):
        return fine("at its newest revision")
    if is_newer(connection):
        return fine("newer than this version, which serves on meanwhile")
    return wrong("at another revision than this version wants", "flaskauth db upgrade")


OF_SERVER = {**server.CHECKS, "clock": _clock}
SCHEMA = {"schema": _schema}
OF_ROWS = {**tables.CHECKS, **stored.CHECKS}


def look() -> Iterator[Finding]:
    """What is found until something is missing that the rest needs."""
    opened = _opened()
    yield replace(opened, check="database")
    if opened.state != OK:
        return
    with db.engine.connect() as connection:
        yield from each(OF_SERVER, connection)
        [schema] = each(SCHEMA, connection)
        yield schema
        if schema.state != FAILED:
            yield from each(OF_ROWS, connection)


def _opened() -> Finding:
    """Whether it answers, and is one that the server can work with."""
    url = settings().database_url
    if is_sqlite(url) and not (url.database and Path(url.database).exists()):
        return _not_there_yet()
    try:
        with db.engine.connect() as connection:
            connection.execute(select(1))
            return server.version(connection)
    except SQLAlchemyError as error:
        where = url.database if is_sqlite(url) else url.host
        return wrong(f"{where}: {in_words(error)}", OF_FILE if is_sqlite(url) else OF_SERVER_AWAY)


def _not_there_yet() -> Finding:
    if settings().sqlalchemy_database_uri is None:
        return serious("not there yet", "The first `flaskauth serve` makes it.")
    return wrong("the file of SQLALCHEMY_DATABASE_URI is not there", "flaskauth db upgrade makes it.")


SUBJECT = Subject(
    ("database", *OF_SERVER, *SCHEMA, *OF_ROWS),
    frozenset({"SQLALCHEMY_DATABASE_URI", "FLASKAUTH_INSTANCE_PATH"}),
    look,
)
