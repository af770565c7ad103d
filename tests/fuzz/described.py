"""python -m tests.fuzz.described [SECONDS [SEED]]: everything that /openapi.json describes is called, well and badly.

By schemathesis, against an application in this process, on SQLite. Ends by itself; 1 where something was found.
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
from tests.fuzz.links import linked
from tests.fuzz.visitors import Visitors

from flaskauth import create_app, migrations
from flaskauth.foundation import jobs
from flaskauth.foundation.db import hang_up
from flaskauth.settings import Settings, with_driver

SECONDS = 300
SECRET = "k9Tq3vYx7bNz1mWc5dRf8hJp2sLg6aQe"
# An address of the right shape may be nobody's, a password of the right length too easy; the last knows no application
# within the process (and tests/profile/test_routes_of_others.py calls every guarded route without a token).
UNFIT = {
    check: {"enabled": False} for check in ("positive_data_acceptance", "ensure_resource_availability", "ignored_auth")
}
# Which bytes are a picture no description can say; tests/avatars sends those that are none.
UNSAYABLE = ("PUT /users/avatar", "negative_data_rejection")
REFUSED = [400, 401, 403, 404, 405, 409, 413, 415, 422, 429]


@dataclass
class Found:
    """What came of it."""

    calls: Counter[str] = field(default_factory=Counter)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    finds: dict[str, str] = field(default_factory=dict)

    def take(self, event: events.EngineEvent) -> None:
        if isinstance(event, events.ScenarioFinished):
            self.calls[event.phase.value] += len(event.recorder.interactions)
            self.finds.update(_failures(event.recorder))
        elif isinstance(event, events.NonFatalError | events.FatalError):
            self.finds[type(event).__name__] = repr(getattr(event, "value", getattr(event, "exception", None)))


def fuzz(app: Flask, seed: int, **limits: Any) -> Found:
    """Call everything: the examples, the edges of each schema, generated input, and chains of calls."""
    visitors, found = Visitors(app, seed), Found()
    with _heard(visitors.before_call, "before_call"), _heard(visitors.after_call, "after_call"):
        for event in from_schema(_schema(app, visitors, seed, limits)).execute():
            found.take(event)
    found.statuses = visitors.statuses
    found.finds.update(dict.fromkeys(visitors.finds, ""))
    return found


def _schema(app: Flask, visitors: Visitors, seed: int, limits: dict[str, Any]) -> Any:
    config = {"seed": seed, "checks": {**UNFIT, "negative_data_rejection": {"expected-statuses": REFUSED}}, **limits}
    document = linked(app.test_client().get("/openapi.json").get_json())
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))
    schema.app = app

    @schema.auth(refresh_interval=None)
    class Bearer:
        def get(self, _case: Any, _context: Any) -> str:
            return visitors.token()

        def set(self, case: Any, token: str, _context: Any) -> None:
            case.headers["Authorization"] = f"Bearer {token}"

    return schema


@contextmanager
def _heard(hook: Callable[..., None], name: str) -> Iterator[None]:
    """These hooks are the process's, not a schema's."""
    GLOBAL_HOOK_DISPATCHER.register_hook_with_name(hook, name)
    yield
    GLOBAL_HOOK_DISPATCHER.unregister(hook)


def _failures(recorder: Any) -> Iterator[tuple[str, str]]:
    for checks in recorder.checks.values():
        for check in checks:
            if check.failure_info and (recorder.label, check.name) != UNSAYABLE:
                failure = check.failure_info.failure
                title = f"{recorder.label}: {check.name}: {failure.title}"
                yield title, f"{failure.message}\n{check.failure_info.code_sample}"


@contextmanager
def served(folder: Path) -> Iterator[Flask]:
    """An application on a database of its own."""
    database = f"sqlite:///{folder}/fuzzed.db"
    migrations.upgrade(with_driver(database))
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": database,
        "TRUSTED_PROXIES": "127.0.0.1",
        "REQUEST_LIMITS": "100000",
    }
    app = create_app(Settings.load(environ, folder / "no.env"))
    yield app
    app.extensions[jobs.KEY].stop()
    with app.app_context():
        hang_up()


def main(seconds: int, seed: int) -> int:
    with TemporaryDirectory() as folder, redirect_stderr(StringIO()), served(Path(folder)) as app:
        found = fuzz(app, seed, **{"max-time": seconds, "continue-on-failure": True})
    print(f"{found.calls.total()} calls, seed {seed}: {dict(found.calls)}")
    for (label, status), times in sorted(found.statuses.items()):
        print(f"  {label} {status}: {times}")
    for title, more in found.finds.items():
        print(f"\nFOUND {title}\n{more}")
    return 1 if found.finds else 0


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(given[0] if given else SECONDS, given[1] if given[1:] else SystemRandom().randrange(2**32)))
