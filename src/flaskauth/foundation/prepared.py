"""Statements that are compiled once, past the ORM, for what nearly every request asks.

To build a statement, find it compiled and make an object of each row takes the ORM longer than the database takes to
answer. `Prepared` works in the transaction of the request; `Alone` outside any: what it changes is on the disk at once.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import CursorResult, Dialect, Engine, Executable, Select, Table, insert
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import ALONE, db, note_change

Convert = Callable[[Any], Any]


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

    def shaped(self, row: Sequence[Any]) -> list[Any]:
        return [convert(value) for convert, value in zip(self.columns, row, strict=True)]


class Statement:
    """Its parameters are each a `bindparam` with a name."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[str, Compiled] = {}
        self._row = _row(_columns(statement).keys())

    def _for(self, dialect: Dialect) -> Compiled:
        if dialect.driver not in self._compiled:
            self._compiled[dialect.driver] = _compiled(self._statement, dialect)
        return self._compiled[dialect.driver]


class Prepared(Statement):
    """A statement of the request's transaction."""

    def all(self, **values: Any) -> list[Any]:
        """The rows, by the names of their columns."""
        compiled, result = self._run(values)
        return [self._row._make(compiled.shaped(row)) for row in result.fetchall()]

    def first(self, **values: Any) -> Any | None:
        """The first row, by the names of its columns."""
        return next(iter(self.all(**values)), None)

    def one(self, **values: Any) -> Any:
        """The row that must be there."""
        [row] = self.all(**values)
        return row

    def changed(self, **values: Any) -> int:
        """How many rows it found, which decides who won."""
        _, result = self._run(values)
        note_change()
        return result.rowcount

    def _run(self, values: Mapping[str, Any]) -> tuple[Compiled, CursorResult[Any]]:
        session = db.session
        session.flush()  # what was changed by objects comes before it
        connection = session.connection()
        compiled = self._for(connection.dialect)
        return compiled, connection.exec_driver_sql(compiled.text, compiled.parameters(values))


class Alone(Statement):
    """A statement outside any transaction, in one round trip."""

    def first(self, **values: Any) -> Any | None:
        """The first row, by the names of its columns."""
        engine = db.get_engine(ALONE)
        compiled = self._for(engine.dialect)
        # The driver itself: SQLAlchemy's connection and result would take twice as long as all the rest.
        try:
            with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
                cursor.execute(compiled.text, compiled.parameters(values))
                row = cursor.fetchone()
        except engine.dialect.loaded_dbapi.Error as error:
            raise _told(engine, error) from error
        return self._row._make(compiled.shaped(row)) if row else None

    def changed(self, **values: Any) -> int:
        """How many rows were changed, for good."""
        with db.get_engine(ALONE).connect() as connection:
            compiled = self._for(connection.dialect)
            return connection.exec_driver_sql(compiled.text, compiled.parameters(values)).rowcount


def add(row: Base) -> None:
    """Insert a row now. The session does not keep it: what is changed in it afterwards is not written."""
    table = type(row).__table__
    _insertion(table).changed(**{column.key: getattr(row, column.key) for column in table.columns})


def add_if_absent(row: Base) -> None:
    """Insert a row unless its key is there already."""
    table = type(row).__table__
    wanted = _insertion_if_absent(table, db.engine.dialect.name)
    wanted.changed(**{column.key: getattr(row, column.key) for column in table.columns})


@cache
def _insertion(table: Table) -> Prepared:
    return Prepared(insert(table))


@cache
def _insertion_if_absent(table: Table, dialect: str) -> Prepared:
    if dialect == "sqlite":
        return Prepared(sqlite.insert(table).on_conflict_do_nothing())
    first = next(iter(table.primary_key.columns))
    return Prepared(mysql.insert(table).on_duplicate_key_update({first.name: first}))


def _compiled(statement: Any, dialect: Dialect) -> Compiled:
    told = statement.compile(dialect=dialect)
    return Compiled(
        text=str(told),
        bound=[(name, _into(told.binds[name].type, dialect)) for name in told.positiontup or told.binds],
        constants={name: bind.value for name, bind in told.binds.items() if not bind.required},
        columns=[_from(column.type, dialect) for column in _columns(statement).values()],
        is_positional=told.positional,
    )


def _told(engine: Engine, error: Any) -> BaseException:
    """The driver's complaint as SQLAlchemy's; what broke one connection broke the others too."""
    dialect = engine.dialect
    is_gone = dialect.is_disconnect(error, None, None)
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
