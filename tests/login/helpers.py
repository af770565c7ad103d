"""A login client that fails password attempts from one or several networks."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from flask import Flask
from sqlalchemy import update
from tests.support.inspect import execute_statement, in_transaction
from tests.support.users import forwarded_for
from werkzeug.test import TestResponse

from flaskauth.core.passwords import hashes
from flaskauth.login import throttling
from flaskauth.login.throttling import LoginAttempt
from flaskauth.rate_limits.models import RateLimitCounter

WRONG_PASSWORD = "not the password"
FIXED_REQUEST_ID = {"X-Request-ID": "the-same"}
TOO_MANY_REQUESTS = (429, "too_many_requests")
INVALID_CREDENTIALS = (401, "invalid_credentials")

_hosts = count(1)


def unseen_ip() -> str:
    """Return an IP address from 203.0.0.0/16 that no test has used yet."""
    number = next(_hosts)
    return f"203.0.{number // 200 % 250}.{number % 200 + 1}"


def current_hash_prefix() -> str:
    """Return the scheme and parameters of a new password hash, which are cheaper in tests than in production."""
    return hashes.ARGON2.hash("any").rpartition("$")[0].rpartition("$")[0]


@dataclass
class LoginClient:
    """Attempts passwords of one email address. The fixed request ID makes responses comparable byte by byte."""

    app: Flask
    email: str = "grace@example.com"
    ip: str = field(default_factory=unseen_ip)

    def login(self, password: str = WRONG_PASSWORD, at: str | None = None, **fields: Any) -> TestResponse:
        body = {"email": self.email, "password": password, **fields}
        headers = {**forwarded_for(at or self.ip), **FIXED_REQUEST_ID}
        return self.app.test_client().post("/auth/login", json=body, headers=headers)

    def fail_logins(self, times: int, at: str | None = None, **fields: Any) -> list[int]:
        """Send wrong passwords and return the status codes."""
        return [self.login(at=at, **fields).status_code for _ in range(times)]

    def record_failures(self, times: int, at: str | None = None) -> None:
        """Count failed attempts directly, without the cost of hashing."""
        attempt = LoginAttempt(self.email, at or self.ip)
        in_transaction(self.app, lambda: [throttling.count_attempt(attempt, is_attack=False) for _ in range(times)])

    def lock_email(self) -> None:
        """Count 10 failed attempts from two networks, which locks the email address."""
        for _ in range(2):
            self.record_failures(5, at=unseen_ip())

    def set_consecutive_failures(self, times: int) -> None:
        """Set the count of consecutive failures, as if they were too far apart for the time-based counters."""
        self.record_failures(1, at=unseen_ip())
        row = update(RateLimitCounter).where(
            RateLimitCounter.key == throttling._attempt_key("row", LoginAttempt(self.email, ""))
        )
        execute_statement(self.app, row.values(count=times))
