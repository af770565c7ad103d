"""An operator who types `flaskauth users ...`."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select
from tests.conftest import SECRET
from tests.inside import rows
from tests.people import Person

from flaskauth.accounts.models import User
from flaskauth.cli import main
from flaskauth.foundation import log

FIRST = {"id": 5, "first_name": "Grace", "last_name": "Hopper", "verified": True}


@dataclass(frozen=True)
class Said:
    """What a command said, and the code that it ended with."""

    code: int
    out: str
    error: str

    def count(self, what: str) -> int:
        """The number behind a word of the report."""
        [line] = [line for line in self.out.splitlines() if line.strip().startswith(f"{what}  ")]
        return int(line.split()[-1].replace(",", ""))


@dataclass(frozen=True)
class Desk:
    """Where the operator sits: a folder and a database."""

    database: str
    folder: Path

    def types(self, *words: str, stdin: bytes = b"") -> Said:
        """In this process; whatever goes wrong must be told in words."""
        env = {"SQLALCHEMY_DATABASE_URI": self.database, "FLASKAUTH_ENV": "development", "SECRET_KEY": SECRET}
        with contextlib.chdir(self.folder):
            done = CliRunner().invoke(main, ["users", *words], input=stdin, env=env)
        log.configure()  # the command's log went to an output that is closed by now
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert "Traceback" not in done.output
        return Said(done.exit_code, done.stdout, done.stderr)

    def imports(self, *people: dict[str, Any], options: tuple[str, ...] = ()) -> Said:
        """People as JSON Lines."""
        (self.folder / "people.jsonl").write_text("".join(f"{json.dumps(person)}\n" for person in people))
        return self.types("import", "people.jsonl", *options)

    def imports_raw(self, raw: bytes, name: str = "people.csv", options: tuple[str, ...] = ()) -> Said:
        (self.folder / name).write_bytes(raw)
        return self.types("import", name, *options)

    def refused(self, name: str = "people.csv.refused.csv") -> str:
        return (self.folder / name).read_text(encoding="utf-8", errors="surrogateescape")

    def exports(self, *options: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.types("export", *options).out.splitlines()]


def person(email: str = "grace@example.com", **told: Any) -> dict[str, Any]:
    """A row of somebody who has proven the address."""
    return {**FIRST, "email": email, **told}


def everybody(app: Flask) -> list[User]:
    return list(rows(app, select(User).order_by(User.id)))


def who(app: Flask, email: str = "grace@example.com") -> Person:
    return Person(app.test_client(), email)
