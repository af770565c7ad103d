"""Somebody who writes events, has them sealed, meddles with the database and asks whether it shows."""

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
from tests.inside import change, rows, within

from flaskauth import audit
from flaskauth.audit import sealing, verification
from flaskauth.audit.findings import Broken
from flaskauth.audit.models import AuditEvent, AuditSeal
from flaskauth.cli import main
from flaskauth.foundation import clock, jobs, log
from flaskauth.foundation.db import db

LONG_ENOUGH = timedelta(minutes=3)


@dataclass(frozen=True)
class Verdict:
    """What `flaskauth audit verify --json` said."""

    code: int
    told: dict[str, Any]

    @property
    def broken(self) -> Any:
        """The kind of the first break, if there is one."""
        assert self.code == (1 if self.told["broken"] else 0)
        assert self.told["ok"] == (self.told["broken"] is None)
        return self.told["broken"] and self.told["broken"]["what"]

    @property
    def anchor(self) -> str:
        newest = self.told["newest"]
        return f"{newest['ordinal']}:{newest['digest']}"


@dataclass(frozen=True)
class Auditor:
    """Beside an application whose own thread seals nothing."""

    app: Flask
    database: str

    @classmethod
    def at(cls, app: Flask, database: str) -> "Auditor":
        app.extensions[jobs.KEY].stop()
        return cls(app, database)

    def writes(self, count: int, user_id: int = 7) -> list[int]:
        """Events of a person, each in its own millisecond; their ids."""
        for number in range(count):
            within(self.app, partial(audit.record, "profile_edited", user_id=user_id, number=number))
            clock.travel(timedelta(milliseconds=2))
        newest = select(AuditEvent.id).order_by(AuditEvent.id.desc()).limit(count)
        return sorted(rows(self.app, newest))

    def seals(self, after: timedelta = LONG_ENOUGH) -> None:
        """What the job does, once so much time has gone by."""
        clock.travel(after)
        with self.app.app_context():
            sealing.seal()

    def batches(self, count: int) -> None:
        """So many seals, over two events each (the first also over what the server wrote when it began)."""
        for _ in range(count):
            self.writes(2)
            self.seals()

    def does(self, statement: str, **values: object) -> None:
        """Meddles by SQL."""
        change(self.app, text(statement).bindparams(**values))

    @contextmanager
    def meddling(self) -> Iterator[None]:
        """Afterwards both tables are as they were."""
        tables = (AuditEvent.__table__, AuditSeal.__table__)
        with self.app.app_context():
            kept = [[dict(row) for row in db.session.execute(select(table)).mappings()] for table in tables]
        yield
        for table, before in zip(tables, kept, strict=True):
            change(self.app, delete(table))  # type: ignore[arg-type]
            change(self.app, insert(table).values(before))  # type: ignore[arg-type]

    def finds(self) -> Broken | None:
        """Where the chain breaks, if it does."""
        with self.app.app_context():
            return verification.verify().broken

    def chain(self) -> list[AuditSeal]:
        return list(rows(self.app, select(AuditSeal).order_by(AuditSeal.ordinal)))

    def verifies(self, *options: str, **settings: str) -> Verdict:
        done = self.types("--json", *options, **settings)
        return Verdict(done[0], json.loads(done[1]))

    def types(self, *options: str, **settings: str) -> tuple[int, str]:
        """`flaskauth audit verify`: its code, and what it says."""
        env = {"SQLALCHEMY_DATABASE_URI": self.database, "FLASKAUTH_ENV": "development", "SECRET_KEY": SECRET}
        done = CliRunner().invoke(main, ["audit", "verify", *options], env={**env, **settings})
        log.configure()  # the command's log went to an output that is closed by now
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout
