"""Statements that are compiled once and executed by the driver, without the ORM.

For frequent queries the ORM needs longer to build a statement, find its compiled form and create an object for each row
than the database needs to respond (ADR 9).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Generic, NamedTuple, NoReturn, TypeVar, overload

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Executable,
    PoolProxiedConnection,
    Select,
    Table,
    bindparam,
    insert,
    literal_column,
    select,
)
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import NullType, TypeEngine

from flaskauth.core.db import engine as engines
from flaskauth.core.db.session import AUTOCOMMIT, db, mark_dirty
from flaskauth.core.db.types import Base

R = TypeVar("R")
T = TypeVar("T")

# An outer join with it returns a row in any case, and reads the same indexes whether or not the joined rows exist.
ONE_ROW = select(literal_column("1").label("one")).subquery("one_row")

Converter = Callable[[object], object]
StatementResult = tuple[list[list[object]], int]
"""The rows, and the number of rows that were selected or changed."""


class IdRow(NamedTuple):
    """The row of a statement that selects only an integer `id`."""

    id: int


class CompiledStatement(Generic[R]):
    """A statement that is compiled once for each dialect. Its parameters are named `bindparam`s.

    Args:
        statement: what is executed.
        row_type: for a SELECT or RETURNING: a NamedTuple of its columns in the same order, or a model with all columns.
        sqlite_statement: the statement for SQLite if its SQL differs.
        autocommit: if False, it runs in the transaction of the request. If True, it runs outside any transaction, in
            one round trip, and a change is durable when the call returns.
    """

    @overload
    def __init__(
        self: "CompiledStatement[None]",
        statement: Executable,
        *,
        sqlite_statement: Executable | None = None,
        autocommit: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self,
        statement: Executable,
        row_type: type[R],
        *,
        sqlite_statement: Executable | None = None,
        autocommit: bool = False,
    ) -> None: ...

    def __init__(
        self,
        statement: Executable,
        row_type: type[R] | None = None,
        *,
        sqlite_statement: Executable | None = None,
        autocommit: bool = False,
    ) -> None:
        self._statement = statement
        self._sqlite_statement = statement if sqlite_statement is None else sqlite_statement
        self._is_autocommit = autocommit
        self._make_row = _row_factory(row_type or _no_rows, tuple(_selected_columns(statement)))
        self._compiled_by_dialect: dict[tuple[object, ...], _DriverStatement] = {}

    def first(self, **values: object) -> R | None:
        """Return the first row, or None."""
        return next(iter(self.all(**values)), None)

    def one(self, **values: object) -> R:
        """Return the only row.

        Raises:
            ValueError: there is no row, or more than one.
        """
        [row] = self.all(**values)
        return row

    def all(self, **values: object) -> list[R]:
        """Return all rows."""
        rows, _ = self._execute(values)
        return [self._make_row(*row) for row in rows]

    def rowcount(self, **values: object) -> int:
        """Execute the statement and return the number of affected rows: 0 if a concurrent request was first."""
        _, count = self._execute(values)
        return count

    def _execute(self, values: Mapping[str, object]) -> StatementResult:
        return self._execute_autocommit(values) if self._is_autocommit else self._execute_in_transaction(values)

    def _execute_in_transaction(self, values: Mapping[str, object]) -> StatementResult:
        session = db.session
        session.flush()  # pending changes of objects are written first
        connection = session.connection()
        compiled = self._compiled_for(connection.dialect)
        if not isinstance(self._statement, Select):
            mark_dirty()
        if has_cursor_listeners(connection.engine):
            return compiled.via_sqlalchemy(connection, values)
        try:
            return compiled.via_driver(connection.connection, values)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _wrap_driver_error(connection.engine, error, connection) from error

    def _execute_autocommit(self, values: Mapping[str, object]) -> StatementResult:
        engine = db.get_engine(AUTOCOMMIT)
        compiled = self._compiled_for(engine.dialect)
        if has_cursor_listeners(engine):
            with engine.connect() as connection:
                return compiled.via_sqlalchemy(connection, values)
        try:
            with closing(engine.raw_connection()) as raw:
                return compiled.via_driver(raw, values)
        except engine.dialect.loaded_dbapi.Error as error:
            raise _wrap_driver_error(engine, error) from error

    def _compiled_for(self, dialect: Dialect) -> "_DriverStatement":
        # With one driver, the SQL may differ between MySQL and MariaDB and between their versions.
        dialect_key = dialect.driver, dialect.server_version_info, getattr(dialect, "is_mariadb", None)
        if dialect_key not in self._compiled_by_dialect:
            source = self._sqlite_statement if dialect.name == "sqlite" else self._statement
            self._compiled_by_dialect[dialect_key] = _compile(source, dialect)
        return self._compiled_by_dialect[dialect_key]


@dataclass(frozen=True)
class _DriverStatement:
    """The SQL text for one driver, with the conversions of its parameters and columns."""

    text: str
    bind_converters: Sequence[tuple[str, Converter]]
    constants: Mapping[str, object]
    column_converters: Sequence[Converter]
    is_positional: bool

    def parameters(self, values: Mapping[str, object]) -> tuple[object, ...] | dict[str, object]:
        all_values = {**self.constants, **values}
        bound = [(name, convert(all_values[name])) for name, convert in self.bind_converters]
        return tuple(value for _, value in bound) if self.is_positional else dict(bound)

    def via_sqlalchemy(self, connection: Connection, values: Mapping[str, object]) -> StatementResult:
        result = connection.exec_driver_sql(self.text, self.parameters(values))
        return self.convert_rows(result.fetchall() if self.column_converters else ()), result.rowcount

    def via_driver(self, connection: PoolProxiedConnection, values: Mapping[str, object]) -> StatementResult:
        with closing(connection.cursor()) as cursor:
            cursor.execute(self.text, self.parameters(values))
            return self.convert_rows(cursor.fetchall() if self.column_converters else ()), cursor.rowcount

    def convert_rows(self, rows: Iterable[Sequence[object]]) -> list[list[object]]:
        return [[convert(value) for convert, value in zip(self.column_converters, row, strict=True)] for row in rows]


def list_parameters(name: str, column: InstrumentedAttribute[T], size: int) -> list[BindParameter[T]]:
    """Return one parameter for each value of a list of this size. The parameters have the type of the column."""
    return [bindparam(f"{name}_{number}", type_=column.expression.type) for number in range(size)]


def list_values(name: str, values: Sequence[object]) -> dict[str, object]:
    """Return the values of `list_parameters`."""
    return {f"{name}_{number}": value for number, value in enumerate(values)}


def padded(values: Sequence[T]) -> list[T]:
    """Return the values, the last one repeated up to a power of two: a statement is then compiled for few sizes."""
    size = 1 << (len(values) - 1).bit_length()
    return [*values, *[values[-1]] * (size - len(values))]


def has_cursor_listeners(engine: Engine) -> bool:
    """Return True if an event listener, such as a tracer, must see every statement.

    Without one, statements go to the driver directly: SQLAlchemy's execution and result objects would double the time.
    """
    return bool(engine.dispatch.before_cursor_execute)


def insert_row(row: Base, *, unless_exists: bool = False) -> None:
    """Insert a row immediately. It is not added to the session: later changes of the object are not written.

    Args:
        unless_exists: do nothing if a row has its primary key.
    """
    table = type(row).__table__
    values = {column.key: getattr(row, column.key) for column in table.columns}
    _insert_statement(table, unless_exists=unless_exists).rowcount(**values)


@cache
def _insert_statement(table: Table, *, unless_exists: bool) -> CompiledStatement[None]:
    if not unless_exists:
        return CompiledStatement(insert(table))
    first_key = next(iter(table.primary_key.columns))
    no_op_upsert = mysql.insert(table).on_duplicate_key_update({first_key.name: first_key})
    return CompiledStatement(no_op_upsert, sqlite_statement=sqlite.insert(table).on_conflict_do_nothing())


def _compile(statement: Executable, dialect: Dialect) -> _DriverStatement:
    assert isinstance(statement, ClauseElement)
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    if untyped := [name for name, bind in compiled.binds.items() if isinstance(bind.type, NullType)]:
        raise TypeError(f"these parameters need a type: {', '.join(untyped)}")  # each driver would convert them itself
    return _DriverStatement(
        text=str(compiled),
        bind_converters=[
            (name, _bind_converter(compiled.binds[name].type, dialect))
            for name in compiled.positiontup or compiled.binds
        ],
        constants={name: bind.value for name, bind in compiled.binds.items() if not bind.required},
        column_converters=[_result_converter(column.type, dialect) for column in _selected_columns(statement).values()],
        is_positional=compiled.positional,
    )


def _wrap_driver_error(engine: Engine, error: Exception, connection: Connection | None = None) -> BaseException:
    """Wrap a driver's error as SQLAlchemy does. After a disconnect, close the rest of the pool."""
    dialect = engine.dialect
    is_disconnected = engines.is_disconnected(dialect, error)
    if is_disconnected and connection is not None:
        connection.invalidate(error)
    if is_disconnected:
        engine.dispose()
    error_base = dialect.loaded_dbapi.Error
    return DBAPIError.instance(None, None, error, error_base, connection_invalidated=is_disconnected, dialect=dialect)


def _selected_columns(statement: Executable) -> Mapping[str, ColumnElement[object]]:
    if not isinstance(statement, Select | UpdateBase):
        return {}
    return {str(name): column for name, column in statement.exported_columns.items()}


def _row_factory(row_type: Callable[..., R], columns: tuple[str, ...]) -> Callable[..., R]:
    """Return a function that creates a `row_type` from the values of the selected columns.

    Raises:
        TypeError: the fields of a named tuple differ from the columns.
    """
    fields = getattr(row_type, "_fields", None)
    if fields is None:  # not a named tuple but a model, which takes its columns by name
        return lambda *values: row_type(**dict(zip(columns, values, strict=True)))
    if fields != columns:
        raise TypeError(f"{row_type} must have the fields {columns}")
    return row_type


def _no_rows(**_columns: object) -> NoReturn:
    raise TypeError("a SELECT needs a row type")


def _bind_converter(column_type: TypeEngine[object], dialect: Dialect) -> Converter:
    return column_type.dialect_impl(dialect).bind_processor(dialect) or _unchanged


def _result_converter(column_type: TypeEngine[object], dialect: Dialect) -> Converter:
    return column_type.dialect_impl(dialect).result_processor(dialect, None) or _unchanged


def _unchanged(value: object) -> object:
    return value
