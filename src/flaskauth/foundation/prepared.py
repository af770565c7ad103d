"""Statements that are compiled once, past the ORM, for what nearly every request asks.

To build a statement, find it compiled and make an object of each row takes the ORM longer than the database takes to
answer. `Prepared` works in the transaction of the request; `Alone` outside any: what it changes is on the disk at once.
"""

from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Executable, PoolProxiedConnection, Select, Table, insert
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from flaskauth.foundation import engine as engines
from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import ALONE, db, note_change

Convert = Callable[[Any], Any]
Done = tuple[list[list[Any]], int]
"""The rows, and how many there were or were changed."""


@dataclass(frozen=True)
class Compiled:
    """The statement as one driver takes it."""

    text: str
    bound: Sequence[tuple[str, Convert]]
    constants: Mapping[str, Any]
    columns: Sequence[Convert]
    is_positional: bool

    def parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...] | dict[str, Any]:
        told = {**self.constants, **values}
        bound = [(name, convert(told[name])) for name, convert in self.bound]
        return tuple(value for _, value in bound) if self.is_positional else dict(bound)

    def heard(self, connection: Connection, values: Mapping[str, Any]) -> Done:
        result = connection.exec_driver_sql(self.text, self.parameters(values))
        return self.shaped(result.fetchall() if self.columns else ()), result.rowcount

    def driven(self, connection: PoolProxiedConnection, values: Mapping[str, Any]) -> Done:
        with closing(connection.cursor()) as cursor:
            cursor.execute(self.text, self.parameters(values))
            return self.shaped(cursor.fetchall() if self.columns else ()), cursor.rowcount

    def shaped(self, rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
        return [[convert(value) for convert, value in zip(self.columns, row, strict=True)] for row in rows]


class Statement(ABC):
    """Its parameters are each a `bindparam` with a name; SQLite may need it in words of its own."""

    def __init__(self, statement: Executable, sqlite: Executable | None = None) -> None:
        self._statement = statement
        self._sqlite = statement if sqlite is None else sqlite
        self._compiled: dict[tuple[object, ...], Compiled] = {}
        self._row = _row(_columns(statement).keys())

    def first(self, **values: Any) -> Any | None:
        """The first row, by the names of its columns."""
        return next(iter(self.all(**values)), None)

    def one(self, **values: Any) -> Any:
        """The row that must be there."""
        [row] = self.all(**values)
        return row

    def all(self, **values: Any) -> list[Any]:
        """The rows, by the names of their columns."""
        rows, _ = self._run(values)
        return [self._row._make(row) for row in rows]

    def changed(self, **values: Any) -> int:
        """How many rows it found, which decides who won."""
        _, count = self._run(values)
        return count

    @abstractmethod
    def _run(self, values: Mapping[str, Any]) -> Done:
        """Run it with these parameters."""

    def _for(self, dialect: Dialect) -> Compiled:
        # MySQL and MariaDB, old and new, may each want it in other words by the same driver.
        words = dialect.driver, dialect.server_version_info, getattr(dialect, "is_mariadb", None)
        if words not in self._compiled:
            wanted = self._sqlite if dialect.name == "sqlite" else self._statement
            self._compiled[words] = _compiled(wanted, dialect)
        return self._compiled[words]


class Prepared(Statement):
    """A statement of the request's transaction."""

    def _run(self, values: Mapping[str, Any]) -> Done:
        session = db.session
        session.flush()  # what was changed by objects comes before it
        connection = session.connection()
        compiled = self._for(connection.dialect)
        if not compiled.columns:
            note_change()
        if is_heard(connection.engine):
            return compiled.heard(connection, values)
        try:
            return compiled.driven(connection.connection, values)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _told(connection.engine, error, connection) from error


class Alone(Statement):
    """A statement outside any transaction, in one round trip; what it changes is there for good."""

    def _run(self, values: Mapping[str, Any]) -> Done:
        engine = db.get_engine(ALONE)
        compiled = self._for(engine.dialect)
        if is_heard(engine):
            with engine.connect() as connection:
                return compiled.heard(connection, values)
        try:
            with closing(engine.raw_connection()) as raw:
                return compiled.driven(raw, values)
        except engine.dialect.loaded_dbapi.Error as error:
            raise _told(engine, error) from error


def is_heard(engine: Engine) -> bool:
    """Whether somebody listens to the statements, such as a tracer, who is to hear of these too.

    Else they go to the driver itself: SQLAlchemy's execution and result would take as long as all the rest.
    """
    return bool(engine.dispatch.before_cursor_execute)


def add(row: Base) -> None:
    """Insert a row now. The session does not keep it: what is changed in it afterwards is not written."""
    table = type(row).__table__
    _insertion(table).changed(**{column.key: getattr(row, column.key) for column in table.columns})


def add_if_absent(row: Base) -> None:
    """Insert a row unless its key is there already."""
    table = type(row).__table__
    _insertion_if_absent(table).changed(**{column.key: getattr(row, column.key) for column in table.columns})


@cache
def _insertion(table: Table) -> Prepared:
    return Prepared(insert(table))


@cache
def _insertion_if_absent(table: Table) -> Prepared:
    first = next(iter(table.primary_key.columns))
    as_it_was = mysql.insert(table).on_duplicate_key_update({first.name: first})
    return Prepared(as_it_was, sqlite.insert(table).on_conflict_do_nothing())


def _compiled(statement: Any, dialect: Dialect) -> Compiled:
    told = statement.compile(dialect=dialect)
    return Compiled(
        text=str(told),
        bound=[(name, _into(told.binds[name].type, dialect)) for name in told.positiontup or told.binds],
        constants={name: bind.value for name, bind in told.binds.items() if not bind.required},
        columns=[_from(column.type, dialect) for column in _columns(statement).values()],
        is_positional=told.positional,
    )


def _told(engine: Engine, error: Any, connection: Connection | None = None) -> BaseException:
    """The driver's complaint as SQLAlchemy's; what broke one connection broke the others too."""
    dialect = engine.dialect
    is_gone = engines.is_gone(dialect, error)
    if is_gone and connection is not None:
        connection.invalidate(error)
    if is_gone:
        engine.dispose()
    base = dialect.loaded_dbapi.Error
    told: BaseException = DBAPIError.instance(None, None, error, base, connection_invalidated=is_gone, dialect=dialect)
    return told


def _columns(statement: Executable) -> Mapping[str, Any]:
    return dict(statement.selected_columns.items()) if isinstance(statement, Select) else {}


def _row(names: Iterable[str]) -> Any:
    return namedtuple("Row", names)  # noqa: PYI024 (its names are the statement's)


def _into(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    return kind.dialect_impl(dialect).bind_processor(dialect) or _as_it_is


def _from(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    return kind.dialect_impl(dialect).result_processor(dialect, None) or _as_it_is


def _as_it_is(value: Any) -> Any:
    return value
