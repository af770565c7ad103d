"""Whoever changes the schema holds a row; the others wait for it.

No clock is compared: the row has a count that its holder raises every second, and who waits takes it over once the
count has stood still for 20 seconds of its own. A named lock would do on one server, and not on the nodes of a cluster.
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

from flaskauth.foundation import crypto
from flaskauth.foundation.columns import Base
from flaskauth.foundation.complaints import of_driver
from flaskauth.foundation.db import BROKEN_OFF, LOCKED

BEAT = 1.0  # seconds
DEAD_AFTER = 20.0  # seconds without a beat
BASE = "base"  # where an empty database stands


class SchemaLock(Base):
    """The row. No revision makes this table, because the first one needs it: its columns cannot change."""

    __tablename__ = "schema_locks"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str | None] = mapped_column(String(255))
    beat: Mapped[int]
    left_from: Mapped[str | None] = mapped_column(String(32))
    """Where the database stood when its last step began. If it still stands there, that step broke off."""


TABLE = SchemaLock.__tablename__
ROW = SchemaLock.id == 1
HELD = select(SchemaLock.owner, SchemaLock.beat, SchemaLock.left_from).where(ROW)

Held = Row[str | None, int, str | None]


class Lost(Exception):
    """Another has taken the lock over."""


class Lock:
    """Held from a connection of its own, whose every statement is committed by itself."""

    def __init__(self, engine: Engine, told: Callable[[str], object]) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._told = told
        self._me = f"{socket.gethostname()}, process {os.getpid()} ({crypto.random_bytes(4).hex()})"
        self._ended = threading.Event()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for it, hold it, give it back."""
        self._take()
        beating = threading.Thread(target=self._beat, name="schema-lock", daemon=True)
        beating.start()
        try:
            yield
        finally:
            self._ended.set()
            beating.join()
            with suppress(DBAPIError):  # what goes wrong here is no reason to say that the change did
                self._change(SchemaLock.owner == self._me, owner=None)

    def assert_mine(self) -> None:
        """Whoever was held up for so long that another took over must change nothing any more.

        Raises:
            Lost: so it is.
        """
        if self._row().owner != self._me:
            raise Lost(f"{self._row().owner or 'Somebody'} took over the change of the schema.")

    def leaves(self, revision: str) -> None:
        """Note where the database stands while it is brought to the next revision."""
        self._change(SchemaLock.owner == self._me, left_from=revision)

    def broke_off_at(self) -> str | None:
        _owner, _beat, left_from = self._row()
        return left_from

    def connect(self) -> Connection:
        return self._engine.connect()

    def _take(self) -> None:
        seen, since = None, time.monotonic()
        while True:
            with _races_lost():
                self._make()
                row = self._row()
                if row != seen:
                    self._tell(row)
                    seen, since = row, time.monotonic()
                if self._took(row, is_dead=time.monotonic() - since > DEAD_AFTER):
                    return
            time.sleep(BEAT / 2)

    def _took(self, row: Held, *, is_dead: bool) -> bool:
        same = (SchemaLock.owner == row.owner) & (SchemaLock.beat == row.beat)
        free = SchemaLock.owner.is_(None)
        return self._change(or_(free, same) if is_dead else free, owner=self._me, beat=SchemaLock.beat + 1)

    def _tell(self, row: Held) -> None:
        if row.owner:
            self._told(f"{row.owner} is changing the schema. Waiting for it.")

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with suppress(DBAPIError):  # a beat may be missed, 19 may
                self._change(SchemaLock.owner == self._me, beat=SchemaLock.beat + 1)

    def _make(self) -> None:
        with self._engine.connect() as connection:
            if not inspect(connection).has_table(TABLE):
                connection.execute(CreateTable(SchemaLock.metadata.tables[TABLE], if_not_exists=True))
            if connection.execute(HELD).first() is None:
                with suppress(IntegrityError):
                    connection.execute(insert(SchemaLock).values(id=1, beat=0))

    def _row(self) -> Held:
        with self._engine.connect() as connection:
            return connection.execute(HELD).one()

    def _change(self, where: ColumnElement[bool], **values: object) -> bool:
        with self._engine.connect() as connection:
            return connection.execute(update(SchemaLock).where(ROW, where).values(values)).rowcount == 1


def under_way(connection: Connection, stands: str | None) -> str | None:
    """Who is changing the schema now, or died while it did; None where nobody is."""
    if not inspect(connection).has_table(TABLE):
        return None
    row = connection.execute(HELD).first()
    if row is None or (row.owner is None and row.left_from != (stands or BASE)):
        return None
    return row.owner or "somebody"


@contextmanager
def _races_lost() -> Iterator[None]:
    """Deadlocks, and SQLite's other writers: come again."""
    try:
        yield
    except OperationalError as error:
        said = of_driver(error).args[0]
        if said not in BROKEN_OFF and LOCKED not in str(said):
            raise
