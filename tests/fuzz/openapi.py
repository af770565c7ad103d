"""Call everything in /openapi.json with valid and invalid input: `python -m tests.fuzz.openapi [SECONDS [SEED]]`.

Uses schemathesis against an application in this process, on SQLite. Exits with 1 if a check fails.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory
from typing import Any

import schemathesis
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER
from tests.fuzz.hooks import FuzzHooks
from tests.fuzz.openapi_links import add_links

from flaskauth import create_app, migrations
from flaskauth.core.db.session import dispose_engines
from flaskauth.core.jobs import background
from flaskauth.settings import Settings, with_driver

SECONDS = 300
SECRET = "k9Tq3vYx7bNz1mWc5dRf8hJp2sLg6aQe"
# A valid email address may be unknown and a long password too weak. The last check cannot work in-process
# (tests/sessions/test_auth_decorators.py calls every protected route without a token).
DISABLED_CHECKS = {
    check: {"enabled": False} for check in ("positive_data_acceptance", "ensure_resource_availability", "ignored_auth")
}
# A schema cannot describe which bytes are an image; tests/avatars sends invalid ones.
EXCLUDED_CHECK = ("PUT /users/avatar", "negative_data_rejection")
ERROR_STATUSES = [400, 401, 403, 404, 405, 409, 413, 415, 422, 429]


@dataclass
class FuzzReport:
    """The number of calls and the failures."""

    calls: Counter[str] = field(default_factory=Counter)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    findings: dict[str, str] = field(default_factory=dict)

    def record(self, event: events.EngineEvent) -> None:
        if isinstance(event, events.ScenarioFinished):
            self.calls[event.phase.value] += len(event.recorder.interactions)
            self.findings.update(_failures(event.recorder))
        elif isinstance(event, events.NonFatalError | events.FatalError):
            self.findings[type(event).__name__] = repr(getattr(event, "value", getattr(event, "exception", None)))


def fuzz_api(app: Flask, seed: int, **limits: Any) -> FuzzReport:
    """Call every operation: examples, boundary values, generated input, and sequences of linked calls."""
    hooks, report = FuzzHooks(app, seed), FuzzReport()
    with (
        _registered_hook(hooks.before_call, "before_call"),
        _registered_hook(hooks.after_call, "after_call"),
    ):
        for event in from_schema(_schema(app, hooks, seed, limits)).execute():
            report.record(event)
    report.statuses = hooks.statuses
    report.findings.update(dict.fromkeys(hooks.findings, ""))
    return report


def _schema(app: Flask, hooks: FuzzHooks, seed: int, limits: dict[str, Any]) -> Any:
    config = {
        "seed": seed,
        "checks": {**DISABLED_CHECKS, "negative_data_rejection": {"expected-statuses": ERROR_STATUSES}},
        **limits,
    }
    document = add_links(app.test_client().get("/openapi.json").get_json())
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))
    schema.app = app

    @schema.auth(refresh_interval=None)
    class Bearer:
        def get(self, _case: Any, _context: Any) -> str:
            return hooks.token()

        def set(self, case: Any, token: str, _context: Any) -> None:
            case.headers["Authorization"] = f"Bearer {token}"

    return schema


@contextmanager
def _registered_hook(hook: Callable[..., None], name: str) -> Iterator[None]:
    """Register hooks, which are global to the process, and unregister them afterwards."""
    GLOBAL_HOOK_DISPATCHER.register_hook_with_name(hook, name)
    yield
    GLOBAL_HOOK_DISPATCHER.unregister(hook)


def _failures(recorder: Any) -> Iterator[tuple[str, str]]:
    for checks in recorder.checks.values():
        for check in checks:
            if check.failure_info and (recorder.label, check.name) != EXCLUDED_CHECK:
                failure = check.failure_info.failure
                title = f"{recorder.label}: {check.name}: {failure.title}"
                yield title, f"{failure.message}\n{check.failure_info.code_sample}"


@contextmanager
def create_fuzzed_app(folder: Path) -> Iterator[Flask]:
    """An application on its own database."""
    database = f"sqlite:///{folder}/fuzzed.db"
    migrations.upgrade(with_driver(database))
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "EMAIL_SIGN_IN": "true",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": database,
        "TRUSTED_PROXIES": "127.0.0.1",
        "RATE_LIMIT_FACTOR": "100000",
    }
    app = create_app(Settings.load(environ, folder / "no.env"))
    yield app
    app.extensions[background.KEY].stop()
    with app.app_context():
        dispose_engines()


def main(seconds: int, seed: int) -> int:
    with TemporaryDirectory() as folder, redirect_stderr(StringIO()), create_fuzzed_app(Path(folder)) as app:
        report = fuzz_api(app, seed, **{"max-time": seconds, "continue-on-failure": True})
    print(f"{report.calls.total()} calls, seed {seed}: {dict(report.calls)}")
    for (label, status), count in sorted(report.statuses.items()):
        print(f"  {label} {status}: {count}")
    for title, details in report.findings.items():
        print(f"\nFAILURE: {title}\n{details}")
    return 1 if report.findings else 0


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    sys.exit(
        main(arguments[0] if arguments else SECONDS, arguments[1] if arguments[1:] else SystemRandom().randrange(2**32))
    )
