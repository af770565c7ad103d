"""A judge: lets an attack happen, then looks at everything that it may not have changed, told or slowed down."""

import gc
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.attacks.watching import KEY, Seen, Watched
from tests.calling import Caller, looked_at
from tests.inside import hashes, refused, rows
from tests.journal import Journal
from tests.people import Mailbox, People, Person, bearer
from tests.registration.asking import elsewhere
from tests.routes import Route, routes, routes_with_body
from tests.tables import NOT_OURS, TRAIL, counts, mails_sent, settle, written
from werkzeug.test import TestResponse

from flaskauth.audit.models import AuditEvent
from flaskauth.foundation.columns import Base
from flaskauth.foundation.db import db

# What is inside, and what no refusal may show of it.
INSIDE = re.compile(
    r"traceback|\.py\b|site-packages|sqlalchemy|pymysql|werkzeug|flask/|python/|granian|mariadb|exception"
    r"|\b(select|insert into|update|delete from) \w+|<class|0x[0-9a-f]{6}|argon2",
    re.IGNORECASE,
)
COUNTERS = {("one_time_codes", "tries")}
RANDOM = {"request_id", "verification_id", "reset_id", "retry_after"}
OWN = {"X-Request-ID", "Retry-After"}  # headers that differ from answer to answer
WORK = 1.0  # seconds of this thread that one request may take; the machine may be slow, so waiting is another matter
PATIENCE = 10.0  # seconds in which every request is answered
GROWTH = 20 * 1024 * 1024  # bytes
HASHING = 200 * 1024 * 1024  # bytes, where many hash at once

Held = dict[str, list[str]]


@dataclass
class Judge:
    """Looks at a server from outside and from inside. The bystander has nothing to do with any attack."""

    app: Flask
    journal: Journal
    secrets: set[str] = field(default_factory=set)
    is_busy: bool = False

    def __post_init__(self) -> None:
        self.app.extensions[KEY] = self.look
        self.app.test_client_class = Watched
        self.people = People(self.app)
        self.mailbox = Mailbox(self.app)
        self.client: FlaskClient = self.people.client
        self.bystander = self.people.joined("bystander@example.net", elsewhere())
        self.caller = Caller(self.client, self.bystander.signed_in(elsewhere())["token"])

    def joined(self, email: str = "grace@example.com", **changes: str) -> Person:
        """Somebody to attack, with an account."""
        return self.people.joined(email, elsewhere(), **changes)

    @property
    def bodies(self) -> list[Route]:
        """Every route that takes JSON."""
        return routes_with_body(self.app)

    @property
    def guarded(self) -> list[Route]:
        return [route for route in routes(self.app) if route.access == "guarded"]

    def methods(self, path: str) -> set[str]:
        """What an address answers to."""
        found = {route.method for route in routes(self.app) if route.path == path}
        return {*found, "OPTIONS", *(["HEAD"] if "GET" in found else [])}

    @contextmanager
    def case(
        self,
        changes: Collection[str] = (),
        *,
        events: Collection[str] = (),
        mails: int = 0,
        hashed: int | None = None,
        busy: bool = False,
    ) -> Iterator[None]:
        """The attack happens within.

        Only these tables changed, only these events were written, so many mails left, so many passwords were hashed;
        503 was answered only where the server was kept busy.
        """
        held, told, work, sent = self._held(), self._events(), hashes(self.app), mails_sent(self.app)
        size, self.is_busy = resident(), busy
        yield
        after, self.is_busy = self._held(), False
        changed = {table for table in held if held[table] != after[table]}
        assert changed == set(changes), f"changed: {changed}"
        assert set(self._events() - told) == set(events), f"events: {self._events() - told}"
        assert mails_sent(self.app) - sent == mails, f"mails: {mails_sent(self.app) - sent}"
        assert hashed in (None, hashes(self.app) - work), f"hashed: {hashes(self.app) - work}"
        gc.collect()
        assert resident() - size < (HASHING if busy else GROWTH), f"grown by {resident() - size}"
        self._demand_silence()
        self._demand_service()

    def look(self, one: Seen) -> None:
        """Every answer is decent, and came without much work."""
        answer, text = one.answer, one.answer.text
        if self.is_busy and answer.status_code == 503:
            assert refused(answer)[1] in {"overloaded", "unavailable"}
        else:
            looked_at(answer)
        assert one.work < WORK, f"{answer.request.path} took {one.work} seconds"
        assert one.waited < PATIENCE, f"{answer.request.path} was answered after {one.waited} seconds"
        if answer.status_code >= 400:
            assert not INSIDE.search(text), text
            assert [value for value in one.values if value in text] == [], text
        self.secrets |= one.secrets

    def alike(self, ask: Callable[[str, str], TestResponse], *emails: str) -> TestResponse:
        """Ask about each address, from a network of its own; the last answer, once all looked and cost the same."""
        found = [self._weighed(ask, email) for email in emails]
        assert [one[1:] for one in found] == [found[0][1:]] * len(emails)
        return found[-1][0]

    def _weighed(self, ask: Callable[[str, str], TestResponse], email: str) -> tuple[TestResponse, Any, Any, int]:
        before, work = counts(self.app, but=["budgets"]), hashes(self.app)
        answer = ask(email, elsewhere())
        rows_written = written(before, counts(self.app, but=["budgets"]))
        return answer, outside(answer), rows_written, hashes(self.app) - work

    def _demand_silence(self) -> None:
        """Every line is JSON, and none holds what opens a door."""
        told = self.journal.getvalue()
        assert all(isinstance(line, dict) for line in self.journal.lines())
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", told)
        assert [secret for secret in self.secrets if secret in told] == []
        assert self.journal.of("accident") == []

    def _demand_service(self) -> None:
        """The same process serves somebody else as it always did."""
        answer = self.bystander.sign_in(at=elsewhere())
        assert answer.status_code == 200, answer.text
        profile = self.client.get("/users/profile", headers=bearer(answer.get_json()["token"]))
        assert profile.get_json()["user"]["email"] == self.bystander.email

    def _held(self) -> Held:
        """Every row of each table, but for the trail and what counts tries."""
        settle(self.app)
        tables = [table for table in Base.metadata.sorted_tables if table.name not in NOT_OURS | set(TRAIL)]
        with self.app.app_context():
            found = {
                table.name: sorted(
                    map(repr, db.session.execute(select(*(c for c in table.c if (table.name, c.name) not in COUNTERS))))
                )
                for table in tables
            }
            db.session.rollback()
        return found

    def _events(self) -> Counter[str]:
        return Counter(rows(self.app, select(AuditEvent.name)))


def outside(answer: TestResponse) -> tuple[Any, ...]:
    """What somebody can see of an answer, but for what is random in it."""
    body = {name: value for name, value in answer.get_json().items() if name not in RANDOM}
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in OWN)
    return answer.status_code, json.dumps(body), headers


def resident() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
