"""How the statements of a migration are sent: by who holds the lock, past what is made, never in front of a queue.

MariaDB and MySQL commit each change of a table by itself. What was killed half way is therefore run again, and passes
over what it finds made; but only in the step that broke off, because elsewhere a table that is there already is
somebody else's.
"""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, inspect
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError

from flaskauth.foundation.complaints import of_driver
from flaskauth.migrations.lock import BASE, Lock
from flaskauth.migrations.repeating import is_made

IN_USE = 1205  # a transaction holds the table, or a row
PAUSE = 2.0  # seconds in which those who queued behind the change go on
PATIENCE = 3600.0  # seconds
READING = {"SELECT", "SHOW", "DESCRIBE", "PRAGMA", "SET"}


class Steps:
    """The statements of one run, revision by revision."""

    def __init__(self, lock: Lock, stands: str | None, told: Callable[[str], object]) -> None:
        self._lock = lock
        self._stands = stands or BASE
        self._told = told
        self._is_begun = False
        self._is_repeated = lock.broke_off_at() == self._stands

    def watch(self, engine: Engine) -> None:
        listen(engine, "before_cursor_execute", self._begin)
        listen(engine, "do_execute", self._send)

    def applied(self, stands: str | None) -> None:
        """A step is done, and the next one leaves from there."""
        self._stands, self._is_begun, self._is_repeated = stands or BASE, False, False

    def _begin(self, _connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.split(None, 1)[0].upper() in READING:
            return
        self._lock.assert_mine()
        if not self._is_begun:
            self._lock.leaves(self._stands)
            self._is_begun = True

    def _send(self, cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        """Whether it is dealt with; what is no change of the schema, SQLAlchemy sends itself."""
        if not context.isddl:
            return False
        change, end = context.compiled.statement, time.monotonic() + PATIENCE
        while True:
            try:
                if not self._is_made(change):
                    cursor.execute(statement, parameters)
            except (context.dialect.loaded_dbapi.Error, DBAPIError) as error:
                if not self._comes_again(of_driver(error), change) or time.monotonic() > end:
                    raise
            else:
                return True

    def _comes_again(self, error: BaseException, change: object) -> bool:
        """Whether to try once more.

        Behind a change that waits for a table, everybody else who wants that table waits too. So it gives up after a
        second, lets them go on, and comes again.
        """
        if error.args[:1] == (IN_USE,):
            self._told("A transaction holds a table that is to be changed. Waiting for it; servers go on meanwhile.")
            time.sleep(PAUSE)
            return True
        return self._is_made(change)  # the server went on with the statement of one that was killed

    def _is_made(self, change: object) -> bool:
        if not self._is_repeated:
            return False
        with self._lock.connect() as connection:
            return is_made(change, inspect(connection))
