"""Helpers that run `flaskauth users ...` and read the users it imports or exports."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select
from tests.conftest import SECRET
from tests.support.inspect import query_all
from tests.support.users import TestUser

from flaskauth.accounts.models import User
from flaskauth.cli.main import main
from flaskauth.core.observability import log

DEFAULT_ROW = {"id": 5, "first_name": "Grace", "last_name": "Hopper", "verified": True}


@dataclass(frozen=True)
class CommandResult:
    """The exit code and output of a command."""

    exit_code: int
    stdout: str
    stderr: str

    def reported_count(self, label: str) -> int:
        """Return the number beside this label in the report."""
        [line] = [line for line in self.stdout.splitlines() if line.strip().startswith(f"{label}  ")]
        return int(line.split()[-1].replace(",", ""))


@dataclass(frozen=True)
class AdminCLI:
    """Runs commands in a working directory against a database."""

    database: str
    folder: Path

    def run(self, *args: str, stdin: bytes = b"", group: str = "users", **settings: str) -> CommandResult:
        """Run a command in this process. Errors must be reported without a traceback."""
        env = {
            "SQLALCHEMY_DATABASE_URI": self.database,
            "FLASKAUTH_ENV": "development",
            "SECRET_KEY": SECRET,
            **settings,
        }
        with contextlib.chdir(self.folder):
            result = CliRunner().invoke(main, [group, *args], input=stdin, env=env)
        log.configure()  # the command configured logging to an output that is closed now
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return CommandResult(result.exit_code, result.stdout, result.stderr)

    def import_rows(self, *rows: dict[str, Any], options: tuple[str, ...] = ()) -> CommandResult:
        """Import rows as JSON Lines."""
        (self.folder / "users.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return self.run("import", "users.jsonl", *options)

    def import_bytes(self, raw: bytes, name: str = "users.csv", options: tuple[str, ...] = ()) -> CommandResult:
        (self.folder / name).write_bytes(raw)
        return self.run("import", name, *options)

    def read_rejects(self, name: str = "users.csv.rejected.csv") -> str:
        return (self.folder / name).read_text(encoding="utf-8", errors="surrogateescape")

    def export_rows(self, *options: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run("export", *options).stdout.splitlines()]


def user_row(email: str = "grace@example.com", **changes: Any) -> dict[str, Any]:
    """Return an import row of a verified user."""
    return {**DEFAULT_ROW, "email": email, **changes}


def all_users(app: Flask) -> list[User]:
    return list(query_all(app, select(User).order_by(User.id)))


def user_by_email(app: Flask, email: str = "grace@example.com") -> TestUser:
    return TestUser(app.test_client(), email)
