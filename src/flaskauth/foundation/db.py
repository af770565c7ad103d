"""One transaction a request, and the two places that commit.

An answer commits, an accident rolls back, a lost race is run again from the start. A guess or a budget is spent by
`at_once`, before the work that it pays for, and is never rolled back.
"""

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar, TypeVarTuple, cast

from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import ColumnElement, CursorResult, Delete, Insert, Update, delete, select
from sqlalchemy.event import listens_for
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import InstrumentedAttribute, ORMExecuteState, Session
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from flaskauth.foundation import crypto
from flaskauth.foundation.complaints import NO_SUCH_TABLE
from flaskauth.foundation.errors import Problem, Unavailable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TRIES = 5
AT_A_TIME = 1000  # rows that one statement deletes
PATIENCE = 5.0  # seconds in which a race is run again
LONGEST_PAUSE = 0.2  # seconds
ALONE = "alone"  # the engine of statements outside transactions
LOCKED = "locked"  # SQLite's word for another writer
# Snapshot conflict, node not ready, lock wait, deadlock: nothing was done.
BROKEN_OFF = {1020, 1047, 1205, 1213, LOCKED}
GONE = {2006, 2013, 4031}  # before COMMIT nothing was done; during COMMIT nobody knows
DELETED = (StaleDataError, ObjectDeletedError)  # a row that was read is somebody's no more


class WorkSession(Session):
    """A session that knows whether it has written."""

    @property
    def has_written(self) -> bool:
        return bool(self.info.get("wrote") or self.new or self.dirty or self.deleted)


db = SQLAlchemy(session_options={"class_": WorkSession})


def transaction(work: Callable[[], T]) -> T:
    """Do a request's (or a job's) work and commit it; run it again while it only lost a race.

    Raises:
        Problem: the work's own answer, committed.
        Unavailable: the database is away, or nobody knows whether the commit arrived.
    """
    session, end = _session(), time.monotonic() + PATIENCE
    try:
        for attempt in range(1, TRIES + 1):
            try:
                return _once(work)
            except (DBAPIError, PoolTimeout, *DELETED) as error:
                _roll_back(session)
                if attempt == TRIES or time.monotonic() > end or not _is_lost_race(error):
                    _give_up(error)
                _pause(attempt)
    finally:
        _roll_back(session)
        session.info.clear()
    raise AssertionError("unreachable")


def at_once(work: Callable[[*Ts], T], *args: *Ts) -> T:
    """Do something small and commit it now, before the request's own transaction begins.

    When the request's transaction is run again, what it spent so is not spent twice: the first answer stands. Where it
    loses a race itself, that is the request's race: the whole is run again.
    """
    spent: dict[Hashable, Any] = _session().info.setdefault("spent", {})
    key = (work.__module__, work.__qualname__, args)
    if key not in spent:
        release()
        spent[key] = _committed(work, args)
    return cast("T", spent[key])


def release() -> None:
    """End what was read so far and give the connection back, before something slow or a commit of its own."""
    session = _session()
    if session.has_written:
        raise RuntimeError("the request has already written: spend and hash first, then write")
    session.rollback()


def remembered() -> dict[Hashable, Any]:
    """What this transaction keeps of what it read; when it is run again, it reads anew."""
    found: dict[Hashable, Any] = _session().info.setdefault("remembered", {})
    return found


def hang_up() -> None:
    """Close the connections of this application that nobody uses; the next to ask gets new ones."""
    for engine in db.engines.values():
        engine.dispose()


@contextmanager
def snapshot() -> Iterator[Session]:
    """Read the database as it stands now, however long that takes; nothing that is written meanwhile shows."""
    with db.engine.connect() as connection:
        if db.engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")  # its driver begins nothing for what only reads
        else:
            connection.execution_options(isolation_level="REPEATABLE READ")
        with Session(connection) as session:
            yield session


def after_commit(call: Callable[[], object]) -> None:
    """Have something called once the transaction is safe."""
    _session().info.setdefault("after", []).append(call)


def changed(statement: Update | Delete) -> int:
    """Run a conditional UPDATE or DELETE; the number of rows it found decides who won."""
    result = db.session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount


def note_change() -> None:
    """Have it known that the request has written, past the session."""
    _session().info["wrote"] = True


def delete_some(key: InstrumentedAttribute[Any], over: ColumnElement[bool]) -> int:
    """Delete rows that are over, few enough not to be in anybody's way; how many went."""
    keys = db.session.scalars(select(key).where(over).limit(AT_A_TIME)).all()
    return changed(delete(key.class_).where(key.in_(keys), over)) if keys else 0


def _once(work: Callable[[], T]) -> T:
    for kept in ("after", "remembered"):
        _session().info.pop(kept, None)
    try:
        result = work()
    except Problem:
        _commit()
        raise
    _commit()
    return result


def _committed(work: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
    result = work(*args)
    _session().commit()
    return result


def _commit() -> None:
    session = _session()
    if session.in_transaction():
        session.flush()
        _commit_what_was_flushed(session)
    for call in session.info.pop("after", []):
        call()


def _commit_what_was_flushed(session: WorkSession) -> None:
    try:
        session.commit()
    except DBAPIError as error:
        if _code(error) in BROKEN_OFF:
            raise
        raise Unavailable from error


def _roll_back(session: WorkSession) -> None:
    """A node that has just left its cluster refuses even this; its connection is given up, and what was open on it."""
    try:
        session.rollback()
    except DBAPIError:
        _forget(session)


def _session() -> WorkSession:
    return cast("WorkSession", db.session)


def _give_up(error: Exception) -> NoReturn:
    raise (error if isinstance(error, IntegrityError) or _is_our_fault(error) else Unavailable()) from error


def _is_our_fault(error: Exception) -> bool:
    is_ours = isinstance(error, ProgrammingError | DataError | NotSupportedError)
    return is_ours and _code(error) != NO_SUCH_TABLE  # that is before the schema is there


def _is_lost_race(error: Exception) -> bool:
    return isinstance(error, (IntegrityError, *DELETED)) or _code(error) in BROKEN_OFF | GONE


def _code(error: Exception) -> int | str | None:
    reason = getattr(error, "orig", None)
    first = reason.args[0] if isinstance(reason, Exception) and reason.args else None
    return LOCKED if isinstance(first, str) and LOCKED in first else first


def _pause(attempt: int) -> None:
    time.sleep(min(LONGEST_PAUSE, 0.01 * 2**attempt) * (0.5 + crypto.random_number(1000) / 2000))


@listens_for(WorkSession, "do_orm_execute")
def _note_statement(state: ORMExecuteState) -> None:
    if isinstance(state.statement, Insert | Update | Delete):
        state.session.info["wrote"] = True


@listens_for(WorkSession, "after_flush")
def _note_flush(session: Session, _context: object) -> None:
    session.info["wrote"] = True


@listens_for(WorkSession, "after_commit")
@listens_for(WorkSession, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop("wrote", None)
