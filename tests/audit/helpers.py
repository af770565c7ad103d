"""A harness that records and seals audit events, tampers with the database and verifies the chain."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from click.testing import CliRunner
from flask import Flask
from sqlalchemy import delete, insert, select, text
from tests.conftest import SECRET
from tests.support.inspect import execute_statement, in_transaction, query_all

from flaskauth import audit
from flaskauth.audit import sealing, verification
from flaskauth.audit.models import AuditEvent, AuditSeal
from flaskauth.audit.report import IntegrityFailure
from flaskauth.cli.main import main
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.core.jobs import background
from flaskauth.core.observability import log

SEALING_DELAY = timedelta(minutes=3)


@dataclass(frozen=True)
class VerifyResult:
    """The result of `flaskauth audit verify --json`."""

    exit_code: int
    report: dict[str, Any]

    @property
    def failure(self) -> Any:
        """The kind of the first failure, or None."""
        assert self.exit_code == (1 if self.report["broken"] else 0)
        assert self.report["ok"] == (self.report["broken"] is None)
        return self.report["broken"] and self.report["broken"]["what"]

    @property
    def anchor(self) -> str:
        newest = self.report["newest"]
        return f"{newest['ordinal']}:{newest['digest']}"


@dataclass(frozen=True)
class AuditHarness:
    """An application whose background thread is stopped, so that only the test seals events."""

    app: Flask
    database: str

    @classmethod
    def attach(cls, app: Flask, database: str) -> "AuditHarness":
        app.extensions[background.KEY].stop()
        return cls(app, database)

    def record_events(self, count: int, user_id: int = 7) -> list[int]:
        """Record events of a user, 2 ms apart, and return their ids."""
        for number in range(count):
            in_transaction(self.app, partial(audit.record, "profile_edited", user_id=user_id, number=number))
            clock.travel(timedelta(milliseconds=2))
        newest = select(AuditEvent.id).order_by(AuditEvent.id.desc()).limit(count)
        return sorted(query_all(self.app, newest))

    def seal_after(self, after: timedelta = SEALING_DELAY) -> None:
        """Travel and run the sealing job."""
        clock.travel(after)
        with self.app.app_context():
            sealing.seal()

    def seal_batches(self, count: int) -> None:
        """Create seals over two events each. The first also covers the events of the application's start."""
        for _ in range(count):
            self.record_events(2)
            self.seal_after()

    def execute_sql(self, statement: str, **values: object) -> None:
        """Run an SQL statement directly in the database."""
        execute_statement(self.app, text(statement).bindparams(**values))

    @contextmanager
    def restore_tables(self) -> Iterator[None]:
        """Restore both tables after the `with` block."""
        tables = (AuditEvent.__table__, AuditSeal.__table__)
        with self.app.app_context():
            saved = [[dict(row) for row in db.session.execute(select(table)).mappings()] for table in tables]
        yield
        for table, rows in zip(tables, saved, strict=True):
            execute_statement(self.app, delete(table))  # type: ignore[arg-type]
            execute_statement(self.app, insert(table).values(rows))  # type: ignore[arg-type]

    def find_failure(self) -> IntegrityFailure | None:
        """Return the first failure of the chain, or None."""
        with self.app.app_context():
            return verification.verify().failure

    def all_seals(self) -> list[AuditSeal]:
        return list(query_all(self.app, select(AuditSeal).order_by(AuditSeal.ordinal)))

    def verify(self, *options: str, **settings: str) -> VerifyResult:
        result = self.run_verify("--json", *options, **settings)
        return VerifyResult(result[0], json.loads(result[1]))

    def run_verify(self, *options: str, **settings: str) -> tuple[int, str]:
        """Run `flaskauth audit verify` and return its exit code and output."""
        env = {"SQLALCHEMY_DATABASE_URI": self.database, "FLASKAUTH_ENV": "development", "SECRET_KEY": SECRET}
        result = CliRunner().invoke(main, ["audit", "verify", *options], env={**env, **settings})
        log.configure()  # the command configured logging to an output that is closed now
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout
