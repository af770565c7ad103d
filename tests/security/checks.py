"""Checks for attacks: run one, then verify what it changed, revealed and cost."""

import ctypes
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
from tests.registration.helpers import unused_ip
from tests.security.recording_client import RESPONSE_CHECK_KEY, RecordedExchange, RecordingClient
from tests.support.api_client import ApiClient, assert_safe_response
from tests.support.db_snapshot import (
    BOOKKEEPING_TABLES,
    EXCLUDED_TABLES,
    added_row_counts,
    row_counts,
    sent_mail_count,
    wait_for_outbox,
)
from tests.support.inspect import error_of, hash_count, query_all
from tests.support.log_capture import LogCapture
from tests.support.route_catalog import Route, all_routes, routes_with_json_body
from tests.support.users import Mailbox, TestUser, UserFactory, bearer
from werkzeug.test import TestResponse

from flaskauth.audit.models import AuditEvent
from flaskauth.core.db.session import db
from flaskauth.core.db.types import Base

# Implementation details that no error response may contain.
INTERNALS_PATTERN = re.compile(
    r"traceback|\.py\b|site-packages|sqlalchemy|pymysql|werkzeug|flask/|python/|granian|mariadb|exception"
    r"|\b(select|insert into|update|delete from) \w+|<class|0x[0-9a-f]{6}|argon2",
    re.IGNORECASE,
)
ATTEMPT_COUNTERS = {("one_time_codes", "attempts")}
RANDOM_FIELDS = {"request_id", "verification_id", "reset_id", "retry_after"}
PER_RESPONSE_HEADERS = {"X-Request-ID", "Retry-After"}  # headers that differ between responses
MAX_CPU_SECONDS = 1.0  # CPU seconds of this thread per request; wall-clock time depends on the machine
MAX_WAIT_SECONDS = 10.0  # wall-clock seconds per request
MAX_MEMORY_GROWTH = 20 * 1024 * 1024  # bytes
MAX_HASHING_MEMORY_GROWTH = 200 * 1024 * 1024  # bytes, when many passwords are hashed concurrently

TableContents = dict[str, list[str]]


@dataclass
class AttackChecker:
    """Check a server from outside (responses) and inside (tables, log, memory). No attack involves `unrelated_user`."""

    app: Flask
    log_capture: LogCapture
    secrets: set[str] = field(default_factory=set)
    allows_overload: bool = False

    def __post_init__(self) -> None:
        self.app.extensions[RESPONSE_CHECK_KEY] = self.check_response
        self.app.test_client_class = RecordingClient
        self.users = UserFactory(self.app)
        self.mailbox = Mailbox(self.app)
        self.client: FlaskClient = self.users.client
        self.unrelated_user = self.users.create_verified("bystander@example.net", unused_ip())
        self.api_client = ApiClient(self.client, self.unrelated_user.login_ok(unused_ip())["token"])

    def create_user(self, email: str = "grace@example.com", **changes: str) -> TestUser:
        """Create a verified user to attack."""
        return self.users.create_verified(email, unused_ip(), **changes)

    @property
    def json_routes(self) -> list[Route]:
        """Every route that accepts JSON."""
        return routes_with_json_body(self.app)

    @property
    def protected_routes(self) -> list[Route]:
        return [route for route in all_routes(self.app) if route.access == "guarded"]

    def allowed_methods(self, path: str) -> set[str]:
        """Return the methods that the path allows."""
        methods = {route.method for route in all_routes(self.app) if route.path == path}
        return {*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])}

    @contextmanager
    def expect_only(
        self,
        changes: Collection[str] = (),
        *,
        events: Collection[str] = (),
        mails: int = 0,
        hashes: int | None = None,
        allow_overload: bool = False,
    ) -> Iterator[None]:
        """Run an attack in the body of the `with` statement and check its effects.

        Only the tables `changes` may change. Exactly these events are recorded, `mails` mails are sent and `hashes`
        passwords are hashed. A 503 response is accepted only with `allow_overload`.
        """
        tables_before, events_before, hashes_before, mails_before = (
            self._table_contents(),
            self._event_counts(),
            hash_count(self.app),
            sent_mail_count(self.app),
        )
        memory_before, self.allows_overload = used_memory(), allow_overload
        yield
        tables_after, self.allows_overload = self._table_contents(), False
        changed = {table for table in tables_before if tables_before[table] != tables_after[table]}
        assert changed == set(changes), f"changed: {changed}"
        assert set(self._event_counts() - events_before) == set(events), (
            f"events: {self._event_counts() - events_before}"
        )
        assert sent_mail_count(self.app) - mails_before == mails, f"mails: {sent_mail_count(self.app) - mails_before}"
        assert hashes in (None, hash_count(self.app) - hashes_before), f"hashes: {hash_count(self.app) - hashes_before}"
        memory_growth = used_memory() - memory_before
        max_growth = MAX_HASHING_MEMORY_GROWTH if allow_overload else MAX_MEMORY_GROWTH
        assert memory_growth < max_growth, f"memory grew by {memory_growth}"
        self._assert_no_secrets_logged()
        self._assert_still_serving()

    def check_response(self, exchange: RecordedExchange) -> None:
        """Check that a response is safe and was cheap."""
        response, text = exchange.response, exchange.response.text
        if self.allows_overload and response.status_code == 503:
            assert error_of(response)[1] in {"overloaded", "unavailable"}
        else:
            assert_safe_response(response)
        assert exchange.cpu_seconds < MAX_CPU_SECONDS, (
            f"{response.request.path} took {exchange.cpu_seconds} CPU seconds"
        )
        assert exchange.elapsed_seconds < MAX_WAIT_SECONDS, (
            f"{response.request.path} took {exchange.elapsed_seconds} seconds"
        )
        if response.status_code >= 400:
            assert not INTERNALS_PATTERN.search(text), text
            assert [value for value in exchange.sent_values if value in text] == [], text
        self.secrets |= exchange.secrets

    def assert_indistinguishable(self, send: Callable[[str, str], TestResponse], *emails: str) -> TestResponse:
        """Send a request for each email address, each from its own IP, and return the last response.

        All responses must look the same and write the same rows.
        """
        results = [self._measure_request(send, email) for email in emails]
        assert [result[1:] for result in results] == [results[0][1:]] * len(emails)
        return results[-1][0]

    def _measure_request(
        self, send: Callable[[str, str], TestResponse], email: str
    ) -> tuple[TestResponse, Any, Any, int]:
        rows_before, hashes_before = row_counts(self.app, excluded=["rate_limit_counters"]), hash_count(self.app)
        response = send(email, unused_ip())
        rows_written = added_row_counts(rows_before, row_counts(self.app, excluded=["rate_limit_counters"]))
        return response, visible_response(response), rows_written, hash_count(self.app) - hashes_before

    def _assert_no_secrets_logged(self) -> None:
        """Check that every log line is JSON and contains no secret."""
        text = self.log_capture.getvalue()
        assert all(isinstance(line, dict) for line in self.log_capture.lines())
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", text)
        assert [secret for secret in self.secrets if secret in text] == []
        assert self.log_capture.events_named("unhandled_exception") == []

    def _assert_still_serving(self) -> None:
        """Check that the same process still serves an unrelated user."""
        response = self.unrelated_user.login(at=unused_ip())
        assert response.status_code == 200, response.text
        profile = self.client.get("/users/profile", headers=bearer(response.get_json()["token"]))
        assert profile.get_json()["user"]["email"] == self.unrelated_user.email

    def _table_contents(self) -> TableContents:
        """Return every row of each table, except the audit log and the counters of attempts."""
        wait_for_outbox(self.app)
        tables = [
            table
            for table in Base.metadata.sorted_tables
            if table.name not in EXCLUDED_TABLES | set(BOOKKEEPING_TABLES)
        ]
        with self.app.app_context():
            contents = {
                table.name: sorted(
                    map(
                        repr,
                        db.session.execute(
                            select(*(c for c in table.c if (table.name, c.name) not in ATTEMPT_COUNTERS))
                        ),
                    )
                )
                for table in tables
            }
            db.session.rollback()
        return contents

    def _event_counts(self) -> Counter[str]:
        return Counter(query_all(self.app, select(AuditEvent.name)))


def visible_response(response: TestResponse) -> tuple[Any, ...]:
    """Return everything a client can see of a response, without random values."""
    body = {name: value for name, value in response.get_json().items() if name not in RANDOM_FIELDS}
    headers = sorted((name, value) for name, value in response.headers.items() if name not in PER_RESPONSE_HEADERS)
    return response.status_code, json.dumps(body), headers


def used_memory() -> int:
    """Return the resident memory of this process in bytes, without what Python and the allocator keep for reuse."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
