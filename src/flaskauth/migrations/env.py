"""The environment of Alembic: the database and the models of all packages."""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine

import flaskauth.app  # noqa: F401 (defines the models of all packages)
from flaskauth.core.db.engine import SQLiteConnection, is_sqlite, mysql_connect_args
from flaskauth.core.db.types import Base
from flaskauth.migrations.lock import Lock, LockLost
from flaskauth.migrations.steps import StatementRunner
from flaskauth.settings import Settings, SettingsError

STATEMENT_TIMEOUT = 3600  # seconds, for a change of a large table
LOCK_WAIT_TIMEOUT = "lock_wait_timeout = 1"  # seconds; see `StatementRunner`
DESTINATION_OPTION = "destination_rev"  # set by the commands upgrade, downgrade and stamp

_printed: set[str] = set()


def run() -> None:
    """Run the Alembic command that loads this module."""
    url = context.config.attributes.get("database_url") or _configured_url()
    if context.is_offline_mode():
        context.configure(url=url, target_metadata=Base.metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    if is_sqlite(url) and url.database:
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _open_engine(url) as engine, _open_engine(url) as lock_engine, engine.connect() as connection:
        _configure(connection)
        if DESTINATION_OPTION in context.get_context().opts:
            _migrate(connection, Lock(lock_engine, _print_once))
        else:
            _run_migrations()


def _migrate(connection: Connection, lock: Lock) -> None:
    """Run the migrations while holding the lock."""
    try:
        with lock.hold():
            steps = StatementRunner(lock, context.get_context().get_current_revision(), _print_once)
            steps.add_listeners(connection.engine)
            context.config.attributes["steps"] = steps
            _run_migrations()
    except LockLost as error:
        raise CommandError(str(error)) from None


def _run_migrations() -> None:
    with context.begin_transaction():
        context.run_migrations()


def _configure(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_as_batch=is_sqlite(connection.engine.url),
        render_item=_render_item,
        on_version_apply=lambda **step: _on_version_applied(step["heads"]),
    )


def _on_version_applied(heads: Collection[str]) -> None:
    context.config.attributes["steps"].mark_applied(next(iter(heads), None))
    context.config.attributes.get("on_revision", bool)()


@contextmanager
def _open_engine(url: URL) -> Iterator[Engine]:
    engine = create_engine(url, pool_pre_ping=True, connect_args=_connect_args(url))
    try:
        yield engine
    finally:
        engine.dispose()


def _connect_args(url: URL) -> dict[str, object]:
    if is_sqlite(url):
        return {"factory": SQLiteConnection}
    options = mysql_connect_args(read_timeout=STATEMENT_TIMEOUT)
    return {**options, "init_command": f"{options['init_command']}, {LOCK_WAIT_TIMEOUT}"}


def _print_once(message: str) -> None:
    if message not in _printed:
        _printed.add(message)
        sys.stderr.write(f"{message}\n")


def _configured_url() -> URL:
    try:
        return Settings.load().database_url
    except SettingsError as error:
        raise CommandError(str(error)) from None


def _render_item(kind: str, item: object, autogen_context: AutogenContext) -> str | Literal[False]:
    """Render the column types of this package by their names in a new revision."""
    if kind == "type" and type(item).__module__ == "flaskauth.core.db.types":
        autogen_context.imports.add("from flaskauth.core.db import types")
        length = getattr(item, "length", None)
        return f"types.{type(item).__name__}({length or ''})"
    return False


run()
