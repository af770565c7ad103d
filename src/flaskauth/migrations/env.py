"""Alembic's entry: which database, and the tables of every room."""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine

import flaskauth  # noqa: F401 (every room's tables)
from flaskauth.foundation.columns import Base
from flaskauth.foundation.engine import Embedded, is_sqlite, server_options
from flaskauth.migrations.lock import Lock, Lost
from flaskauth.migrations.steps import Steps
from flaskauth.settings import Settings, SettingsError

PATIENCE = 3600  # seconds that a change of a large table may take
IN_USE = "lock_wait_timeout = 1"  # seconds; see Steps
MOVES = "destination_rev"  # what Alembic is told by upgrade, downgrade and stamp

_told: set[str] = set()


def run() -> None:
    url = context.config.attributes.get("database_url") or _configured()
    if context.is_offline_mode():
        context.configure(url=url, target_metadata=Base.metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    if is_sqlite(url) and url.database:
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _engine(url) as engine, _engine(url) as beside, engine.connect() as connection:
        _configure(connection)
        if MOVES in context.get_context().opts:
            _move(connection, Lock(beside, _tell))
        else:
            _run()


def _move(connection: Connection, lock: Lock) -> None:
    """Go up or down, one at a time."""
    try:
        with lock.held():
            steps = Steps(lock, context.get_context().get_current_revision(), _tell)
            steps.watch(connection.engine)
            context.config.attributes["steps"] = steps
            _run()
    except Lost as error:
        raise CommandError(str(error)) from None


def _run() -> None:
    with context.begin_transaction():
        context.run_migrations()


def _configure(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_as_batch=is_sqlite(connection.engine.url),
        render_item=_render,
        on_version_apply=lambda **step: _applied(step["heads"]),
    )


def _applied(heads: Collection[str]) -> None:
    context.config.attributes["steps"].applied(next(iter(heads), None))
    context.config.attributes.get("told", bool)()


@contextmanager
def _engine(url: URL) -> Iterator[Engine]:
    engine = create_engine(url, pool_pre_ping=True, connect_args=_options(url))
    try:
        yield engine
    finally:
        engine.dispose()


def _options(url: URL) -> dict[str, Any]:
    if is_sqlite(url):
        return {"factory": Embedded}
    options = server_options(answer_timeout=PATIENCE)
    return {**options, "init_command": f"{options['init_command']}, {IN_USE}"}


def _tell(what: str) -> None:
    if what not in _told:
        _told.add(what)
        sys.stderr.write(f"{what}\n")


def _configured() -> URL:
    try:
        return Settings.load().database_url
    except SettingsError as error:
        raise CommandError(str(error)) from None


def _render(kind: str, thing: Any, autogen_context: AutogenContext) -> str | Literal[False]:
    """Write our column types by their own names in a new revision."""
    if kind == "type" and type(thing).__module__ == "flaskauth.foundation.columns":
        autogen_context.imports.add("from flaskauth.foundation import columns")
        length = getattr(thing, "length", None)
        return f"columns.{type(thing).__name__}({length or ''})"
    return False


run()
