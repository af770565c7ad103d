"""Statements that stand alone: outside any transaction, in one round trip, compiled once and past the ORM.

For what nearly every request asks, where a session of the ORM would cost more than the database does. A change is on
the disk when it returns.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, Engine, Executable, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from flaskauth.foundation.db import ALONE, db

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


class Alone:
    """A statement whose parameters are each a `bindparam` with a name."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[str, Compiled] = {}
        self._row = _row(_columns(statement).keys())

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

    def _for(self, dialect: Dialect) -> Compiled:
        if dialect.driver not in self._compiled:
            self._compiled[dialect.driver] = _compiled(self._statement, dialect)
        return self._compiled[dialect.driver]


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
