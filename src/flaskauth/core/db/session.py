"""The transaction of a request, and the two places that commit.

Responses and API errors commit; unexpected exceptions roll back; deadlocks and lock timeouts retry the whole request.
`commit_now` counts an attempt or a rate limit before the work that it limits; this is never rolled back.
"""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn, TypeVar, TypeVarTuple, cast

from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import ColumnElement, CursorResult, Delete, Insert, Update, delete, select
from sqlalchemy.event import listens_for
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import InstrumentedAttribute, ORMExecuteState, Session
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from flaskauth.core import crypto
from flaskauth.core.db.error_messages import NO_SUCH_TABLE
from flaskauth.core.errors import APIError, Unavailable

T = TypeVar("T")
K = TypeVar("K", int, bytes)
Ts = TypeVarTuple("Ts")

MAX_ATTEMPTS = 5
DELETE_BATCH_SIZE = 1000  # rows that one statement deletes
RETRY_WINDOW = 5.0  # seconds; after that, a lost race is retried only once
MAX_BACKOFF = 0.2  # seconds
AUTOCOMMIT = "autocommit"  # the name of the engine for statements outside transactions
SQLITE_LOCKED = "locked"  # part of SQLite's message while another connection writes
LOCK_WAIT_CODE = 1205
# Snapshot conflict, node not ready, lock wait timeout, deadlock, no such savepoint: nothing was committed. A deadlock
# rolls back the whole transaction, so SQLAlchemy does not find its savepoint afterwards.
ABORTED_CODES = {1020, 1047, LOCK_WAIT_CODE, 1213, 1305, SQLITE_LOCKED}
CONNECTION_LOST_CODES = {2006, 2013, 4031}  # nothing was committed, unless it was lost during COMMIT
STALE_ROW_ERRORS = (StaleDataError, ObjectDeletedError)  # a row was deleted concurrently after it was read


class TrackingSession(Session):
    """A session that tracks whether the current transaction has written."""

    @property
    def has_written(self) -> bool:
        return bool(self.info.get("is_dirty") or self.new or self.dirty or self.deleted)


db = SQLAlchemy(session_options={"class_": TrackingSession})


def transaction(operation: Callable[[], T], retry_window: float = RETRY_WINDOW) -> T:
    """Run the operation of a request or a job and commit. Retry it with jitter after a lost race.

    It is retried once in any case, and again within `retry_window` seconds after the start.

    Raises:
        APIError: the operation raised it; its writes are committed.
        Unavailable: the database is unavailable, or the result of the commit is unknown.
    """
    session = _session()
    deadline = time.monotonic() + retry_window
    try:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return _run_once(operation)
            except (DBAPIError, PoolTimeout, *STALE_ROW_ERRORS) as error:
                _rollback(session)
                if attempt == MAX_ATTEMPTS or not _is_retryable(error):
                    _raise_final(error)
                # The work before the lost race, such as a large image under load, can take longer than the window.
                if attempt > 1 and time.monotonic() > deadline:
                    raise Unavailable from error
                _back_off(attempt)
    finally:
        _rollback(session)
        session.info.clear()
    raise AssertionError("unreachable")


def transaction_for_each(ids: Iterable[int], operation: Callable[[int], T]) -> list[T]:
    """Run the operation in one transaction for each id. A failure does not affect the others.

    Raises:
        ExceptionGroup: the failures, when all others are done.
    """
    results, failures = [], []
    for id_ in ids:
        try:
            results.append(transaction(partial(operation, id_)))
        except Exception as error:  # noqa: BLE001 (the others are done first)
            failures.append(error)
    if failures:
        raise ExceptionGroup("The transactions of some ids failed", failures)
    return results


def commit_now(operation: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a short operation and commit it, before the request's own transaction begins. Return its result.

    If the request is retried, the operation is not run again: its first result is returned, so an attempt counts once.
    If the operation itself loses a race, the whole request is retried.
    """
    results: dict[Hashable, object] = _session().info.setdefault("committed_results", {})
    key = (operation.__module__, operation.__qualname__, args)
    if key not in results:
        release_connection()
        result = operation(*args)
        _session().commit()
        results[key] = result
    return cast("T", results[key])


def release_connection() -> None:
    """End the read transaction and return the connection to the pool, before slow work or a separate commit.

    Raises:
        RuntimeError: the transaction has written, so ending it would lose the changes.
    """
    session = _session()
    if session.has_written:
        raise RuntimeError("the request has already written: count attempts and hash passwords before the first write")
    session.rollback()


def transaction_cache() -> dict[Hashable, object]:
    """Return a cache for values that the transaction has read. A retry starts with an empty one."""
    cache: dict[Hashable, object] = _session().info.setdefault("transaction_cache", {})
    return cache


def dispose_engines() -> None:
    """Close the idle connections of this application. New ones are opened on demand."""
    for engine in db.engines.values():
        engine.dispose()


@contextmanager
def snapshot() -> Iterator[Session]:
    """Yield a session that reads one consistent snapshot of the database, for as long as it is open."""
    with db.engine.connect() as connection:
        if db.engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")  # the driver does not begin a transaction before a SELECT
        else:
            connection.execution_options(isolation_level="REPEATABLE READ")
        with Session(connection) as session:
            yield session


def after_commit(callback: Callable[[], object]) -> None:
    """Call a function after the transaction is committed. It is not called after a rollback."""
    _session().info.setdefault("after_commit", []).append(callback)


def execute_count(statement: Update | Delete) -> int:
    """Execute a conditional UPDATE or DELETE and return the number of affected rows.

    Of concurrent statements with the same condition, only one affects the row.
    """
    result = db.session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount


def mark_dirty() -> None:
    """Mark the transaction as written after a statement that the session does not see."""
    _session().info["is_dirty"] = True


def delete_batch(key: InstrumentedAttribute[K], condition: ColumnElement[bool]) -> int:
    """Delete up to `DELETE_BATCH_SIZE` rows that match, so that no lock is held for long. Return the number deleted."""
    keys = db.session.scalars(select(key).where(condition).limit(DELETE_BATCH_SIZE)).all()
    return execute_count(delete(key.class_).where(key.in_(keys), condition)) if keys else 0


def _run_once(operation: Callable[[], T]) -> T:
    for key in ("after_commit", "transaction_cache"):
        _session().info.pop(key, None)
    try:
        result = operation()
    except APIError:
        _commit()
        raise
    _commit()
    return result


def _commit() -> None:
    session = _session()
    if session.in_transaction():
        session.flush()
        try:
            session.commit()
        except DBAPIError as error:
            if _error_code(error) in ABORTED_CODES:
                raise
            raise Unavailable from error  # the server may have committed
    for callback in session.info.pop("after_commit", []):
        callback()


def _rollback(session: TrackingSession) -> None:
    try:
        session.rollback()
    except DBAPIError:
        # A node that has just left its Galera cluster rejects ROLLBACK too. Its connection is discarded.
        _clear_dirty(session)


def _session() -> TrackingSession:
    return cast("TrackingSession", db.session)


def _raise_final(error: Exception) -> NoReturn:
    raise (error if isinstance(error, IntegrityError) or _is_programming_error(error) else Unavailable()) from error


def _is_programming_error(error: Exception) -> bool:
    has_programming_type = isinstance(error, ProgrammingError | DataError | NotSupportedError)
    return has_programming_type and _error_code(error) != NO_SUCH_TABLE  # the schema does not exist yet


def _is_retryable(error: Exception) -> bool:
    return (
        isinstance(error, (IntegrityError, *STALE_ROW_ERRORS))
        or _error_code(error) in ABORTED_CODES | CONNECTION_LOST_CODES
    )


def is_row_locked(error: Exception) -> bool:
    """Return True if a statement has waited too long for the lock of a row."""
    return _error_code(error) == LOCK_WAIT_CODE


def _error_code(error: Exception) -> int | str | None:
    reason = getattr(error, "orig", None)
    first = reason.args[0] if isinstance(reason, Exception) and reason.args else None
    return SQLITE_LOCKED if isinstance(first, str) and SQLITE_LOCKED in first else first


def _back_off(attempt: int) -> None:
    time.sleep(min(MAX_BACKOFF, 0.01 * 2**attempt) * (0.5 + crypto.random_number(1000) / 2000))


@listens_for(TrackingSession, "do_orm_execute")
def _mark_dirty_on_statement(state: ORMExecuteState) -> None:
    if isinstance(state.statement, Insert | Update | Delete):
        state.session.info["is_dirty"] = True


@listens_for(TrackingSession, "after_flush")
def _mark_dirty_on_flush(session: Session, _context: object) -> None:
    session.info["is_dirty"] = True


@listens_for(TrackingSession, "after_commit")
@listens_for(TrackingSession, "after_rollback")
def _clear_dirty(session: Session) -> None:
    session.info.pop("is_dirty", None)
