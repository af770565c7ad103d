"""The lock of a migration: one row, which the migrating process owns while others wait.

Clocks are not compared. The owner increments a counter every second; a waiting process takes the lock over when the
counter has not changed for 20 seconds of its own time. `GET_LOCK` works on one server, but not across Galera nodes.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import ColumnElement, Connection, Engine, Row, String, insert, inspect, or_, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.schema import CreateTable

from flaskauth.core import crypto
from flaskauth.core.db.error_messages import driver_error
from flaskauth.core.db.session import ABORTED_CODES, SQLITE_LOCKED
from flaskauth.core.db.types import Base

BEAT_INTERVAL = 1.0  # seconds between heartbeats
STALE_AFTER = 20.0  # seconds without a heartbeat
BASE_REVISION = "base"  # the revision of an empty database


class SchemaLock(Base):
    """The lock row. The first migration needs this table, so no migration creates it, and its columns cannot change."""

    __tablename__ = "schema_locks"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str | None] = mapped_column(String(255))
    beat: Mapped[int]
    left_from: Mapped[str | None] = mapped_column(String(32))
    """The revision at the start of the last step. If it is still current, that step was interrupted."""


TABLE_NAME = SchemaLock.__tablename__
IS_LOCK_ROW = SchemaLock.id == 1
LOCK_QUERY = select(SchemaLock.owner, SchemaLock.beat, SchemaLock.left_from).where(IS_LOCK_ROW)

LockRow = Row[str | None, int, str | None]


class LockLost(Exception):
    """A different process has taken over the lock."""


class Lock:
    """The lock, held through its own connections in autocommit mode."""

    def __init__(self, engine: Engine, report: Callable[[str], object]) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._report = report
        self._owner = f"{socket.gethostname()}, process {os.getpid()} ({crypto.random_bytes(4).hex()})"
        self._is_released = threading.Event()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the lock, keep it alive in a thread, and release it at the end."""
        self._acquire()
        heartbeat = threading.Thread(target=self._keep_alive, name="schema-lock", daemon=True)
        heartbeat.start()
        try:
            yield
        finally:
            self._is_released.set()
            heartbeat.join()
            with suppress(DBAPIError):  # a failed release does not make the migration fail
                self._update_row(SchemaLock.owner == self._owner, owner=None)

    def check_ownership(self) -> None:
        """Check that this process still owns the lock: after a long pause it must not change the schema.

        Raises:
            LockLost: a different process has taken it over.
        """
        if self._read_row().owner != self._owner:
            raise LockLost(f"{self._read_row().owner or 'A different process'} has taken over the migration.")

    def record_revision(self, revision: str) -> None:
        """Store the current revision at the start of a step."""
        self._update_row(SchemaLock.owner == self._owner, left_from=revision)

    def interrupted_revision(self) -> str | None:
        """Return the revision at which the last step started."""
        _owner, _beat, left_from = self._read_row()
        return left_from

    def connect(self) -> Connection:
        """Open a connection in autocommit mode."""
        return self._engine.connect()

    def _acquire(self) -> None:
        last_row, since = None, time.monotonic()
        while True:
            with _ignore_lost_races():
                self._ensure_row()
                row = self._read_row()
                if row != last_row:
                    self._report_owner(row)
                    last_row, since = row, time.monotonic()
                if self._try_acquire(row, is_stale=time.monotonic() - since > STALE_AFTER):
                    return
            time.sleep(BEAT_INTERVAL / 2)

    def _try_acquire(self, row: LockRow, *, is_stale: bool) -> bool:
        unchanged = (SchemaLock.owner == row.owner) & (SchemaLock.beat == row.beat)
        free = SchemaLock.owner.is_(None)
        return self._update_row(or_(free, unchanged) if is_stale else free, owner=self._owner, beat=SchemaLock.beat + 1)

    def _report_owner(self, row: LockRow) -> None:
        if row.owner:
            self._report(f"{row.owner} is changing the schema. Waiting for it.")

    def _keep_alive(self) -> None:
        while not self._is_released.wait(BEAT_INTERVAL):
            with suppress(DBAPIError):  # up to 19 heartbeats in a row may be missed
                self._update_row(SchemaLock.owner == self._owner, beat=SchemaLock.beat + 1)

    def _ensure_row(self) -> None:
        with self._engine.connect() as connection:
            if not inspect(connection).has_table(TABLE_NAME):
                connection.execute(CreateTable(SchemaLock.metadata.tables[TABLE_NAME], if_not_exists=True))
            if connection.execute(LOCK_QUERY).first() is None:
                with suppress(IntegrityError):
                    connection.execute(insert(SchemaLock).values(id=1, beat=0))

    def _read_row(self) -> LockRow:
        with self._engine.connect() as connection:
            return connection.execute(LOCK_QUERY).one()

    def _update_row(self, where: ColumnElement[bool], **values: object) -> bool:
        with self._engine.connect() as connection:
            return connection.execute(update(SchemaLock).where(IS_LOCK_ROW, where).values(values)).rowcount == 1


def find_owner(connection: Connection, revision: str | None) -> str | None:
    """Return the process that is migrating the database, or that died during a migration, or None."""
    if not inspect(connection).has_table(TABLE_NAME):
        return None
    row = connection.execute(LOCK_QUERY).first()
    if row is None or (row.owner is None and row.left_from != (revision or BASE_REVISION)):
        return None
    return row.owner or "an unknown process"


@contextmanager
def _ignore_lost_races() -> Iterator[None]:
    """Suppress deadlocks, lock timeouts and SQLite's lock errors; the caller retries."""
    try:
        yield
    except OperationalError as error:
        code = driver_error(error).args[0]
        if code not in ABORTED_CODES and SQLITE_LOCKED not in str(code):
            raise
