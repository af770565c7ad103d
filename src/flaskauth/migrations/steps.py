"""Execute the statements of a migration: only by the lock's owner, resumable, and without blocking other clients.

MariaDB and MySQL commit each DDL statement. An interrupted step is therefore run again and skips existing changes.
Other steps skip nothing: a table that exists before them belongs to a different application.
"""

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Engine, inspect
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError

from flaskauth.core.db.error_messages import driver_error
from flaskauth.migrations.idempotent import is_applied
from flaskauth.migrations.lock import BASE_REVISION, Lock

LOCK_WAIT_TIMEOUT = 1205  # error code: a transaction holds a lock on the table or a row
RETRY_PAUSE = 2.0  # seconds; clients that queued behind the DDL statement continue
RETRY_WINDOW = 3600.0  # seconds
READ_STATEMENTS = {"SELECT", "SHOW", "DESCRIBE", "PRAGMA", "SET"}


class StatementRunner:
    """Executes the statements of one migration run."""

    def __init__(self, lock: Lock, revision: str | None, report: Callable[[str], object]) -> None:
        self._lock = lock
        self._revision = revision or BASE_REVISION
        self._report = report
        self._has_started = False
        self._is_resumed = lock.interrupted_revision() == self._revision

    def add_listeners(self, engine: Engine) -> None:
        """Control all statements of the engine."""
        listen(engine, "before_cursor_execute", self._before_statement)
        listen(engine, "do_execute", self._execute_ddl)

    def mark_applied(self, revision: str | None) -> None:
        """Record that a step is complete. The next one starts at this revision."""
        self._revision, self._has_started, self._is_resumed = revision or BASE_REVISION, False, False

    def _before_statement(self, _connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.split(None, 1)[0].upper() in READ_STATEMENTS:
            return
        self._lock.check_ownership()
        if not self._has_started:
            self._lock.record_revision(self._revision)
            self._has_started = True

    def _execute_ddl(
        self, cursor: DBAPICursor, statement: str, parameters: Sequence[object], context: DefaultExecutionContext
    ) -> bool:
        """Execute a DDL statement and return True. Other statements are left to SQLAlchemy."""
        if not context.isddl:
            return False
        assert context.compiled is not None
        operation, deadline = context.compiled.statement, time.monotonic() + RETRY_WINDOW
        while True:
            try:
                if not self._is_already_applied(operation):
                    cursor.execute(statement, parameters)
            except (context.dialect.loaded_dbapi.Error, DBAPIError) as error:
                if not self._should_retry(driver_error(error), operation) or time.monotonic() > deadline:
                    raise
            else:
                return True

    def _should_retry(self, error: BaseException, operation: object) -> bool:
        """Return True if the statement should be retried or is applied. Pause after a lock timeout.

        While DDL waits for a table, all other clients of the table queue behind it. So it gives up after one second,
        lets them continue, and tries again.
        """
        if error.args[:1] == (LOCK_WAIT_TIMEOUT,):
            self._report("A transaction holds a table that must be changed. Waiting for it; servers continue to run.")
            time.sleep(RETRY_PAUSE)
            return True
        return self._is_already_applied(operation)  # the server has completed the statement of a killed process

    def _is_already_applied(self, operation: object) -> bool:
        if not self._is_resumed:
            return False
        with self._lock.connect() as connection:
            return is_applied(operation, inspect(connection))
