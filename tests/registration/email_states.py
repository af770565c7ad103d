"""Email addresses in every state that the server distinguishes, and the observable parts of a response."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.registration.helpers import unused_ip
from tests.support.db_snapshot import added_row_counts, row_counts
from tests.support.inspect import hash_count, in_transaction, statement_counts
from tests.support.users import OTHER_IP, UserFactory, forwarded_for
from werkzeug.test import TestResponse

from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.email_addresses import parse
from flaskauth.one_time_codes import links
from flaskauth.user_admin import service as user_admin

PENDING_PASSWORD = "fifty thin candles"  # the password of the pending registrations
STATES = (
    "unknown",
    "pending",
    "account",
    "decoy",
    "disabled",
    "pending_deletion",
    "reserved",
    "password_cleared",
    "unverified",
    "respelled",
)
ID_NAMES = ("verification_id", "reset_id", "sign_in_id")
RANDOM_IDS = re.compile("|".join(f'(?<="{name}":")[\\w-]{{22}}(?=")' for name in ID_NAMES))
SECONDS = re.compile(r'(?<="retry_after":)(\d+)')

ScenarioSetup = Callable[[Flask, str], object]


def email_in_state(state: str) -> str:
    """Return the email address of a state, in the spelling that the client sends."""
    return "RESPELLED@Example.com" if state == "respelled" else f"{state}@example.com"


def create_email_states(app: Flask, users: UserFactory) -> None:
    """Create one email address per state, except `unknown`: pending registrations and accounts."""
    users.create_verified(email_in_state("account"))
    in_transaction(app, _create_other_states)
    for state in ("pending", "decoy"):
        users.register(email_in_state(state), OTHER_IP, password=PENDING_PASSWORD)


def _create_other_states() -> None:
    """Copy the verified account for the remaining states and change each copy into its state."""
    for state in STATES[3:]:
        _copy_user(email_in_state("account"), f"{state}@example.com")
    user_admin.disable(parse(email_in_state("disabled")))
    accounts.schedule_deletion(_find_user("pending_deletion").id, clock.now() + timedelta(days=7))
    accounts.clear_password(_find_user("password_cleared").id)
    accounts.edit(_find_user("unverified"), is_verified=False)
    user = _find_user("reserved")
    links.issue(links.REVERT_EMAIL_CHANGE, user.id, email=user.email, normalized_email=user.normalized_email)
    accounts.edit(user, email="moved@example.com", normalized_email="moved@example.com")


def _copy_user(source_email: str, email: str) -> None:
    source = accounts.find_by_email(source_email)
    fields = {
        name: getattr(source, name) for name in ("password_hash", "first_name", "last_name", "country_id", "locale")
    }
    accounts.create(email=email, normalized_email=email, **fields)


def _find_user(state: str) -> User:
    user = accounts.find_by_email(email_in_state(state))
    assert user
    return user


@dataclass
class EmailProbe:
    """A client that sends requests about one email address and keeps the identifiers that the server returned."""

    client: FlaskClient
    email: str
    ip: str = field(default_factory=unused_ip)
    ids: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, body: dict[str, str], identifier: str) -> TestResponse:
        identifiers = {"email": self.email, **self.ids}
        request_body = {**body, identifier: identifiers[identifier]} if identifier else body
        response = self.client.post(
            path, json=request_body, headers={**forwarded_for(self.ip), "X-Request-ID": "the-same"}
        )
        response_body = response.get_json()
        self.ids |= {name: response_body[name] for name in ID_NAMES if name in response_body}
        return response


def normalize_response(response: TestResponse) -> tuple[Any, ...]:
    """Return all observable parts of a response, without random identifiers and with wait times rounded up."""
    headers = [(name, value) for name, value in response.headers.items() if name != "Retry-After"]
    text = RANDOM_IDS.sub("random", response.text)
    return (
        response.status_code,
        SECONDS.sub(_round_up_seconds, text),
        "Retry-After" in response.headers,
        sorted(headers),
    )


class ResponseRecorder:
    """Records observable responses and their cost in rows, hashes and SQL statements.

    Rate-limit counters are left out, because which ones exist depends on earlier requests.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._rows = row_counts(app, excluded=["rate_limit_counters"])

    def record(self, send_request: Callable[[], TestResponse]) -> tuple[Any, ...]:
        """Send a request and return the response, the added rows, the hash count and the statement counts."""
        rows_before, hashes_before = self._rows, hash_count(self._app)
        with statement_counts(self._app) as statement_counter:
            response = send_request()
        self._rows = row_counts(self._app, excluded=["rate_limit_counters"])
        statements = Counter(
            {
                statement: times
                for statement, times in statement_counter.items()
                if "rate_limit_counters" not in statement
            }
        )
        return (
            normalize_response(response),
            added_row_counts(rows_before, self._rows),
            hash_count(self._app) - hashes_before,
            statements,
        )


def _round_up_seconds(seconds: re.Match[str]) -> str:
    """Round a wait time up to the next 100 seconds, so that slow test runs compare equal."""
    return str(-(-int(seconds.group()) // 100) * 100)


def make_probes(client: FlaskClient, states: tuple[str, ...]) -> Iterator[EmailProbe]:
    return (EmailProbe(client, email_in_state(state)) for state in states)
