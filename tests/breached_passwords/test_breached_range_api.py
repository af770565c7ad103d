"""The range API receives five characters of the hash, and its failures neither block nor delay a request."""

import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from datetime import timedelta
from threading import Thread
from threading import enumerate as enumerate_threads

import pytest
from flask import Flask
from sqlalchemy import select
from tests.breached_passwords.helpers import BREACH_ERRORS, BREACHED_PASSWORD, FakeRangeApi, sha1_hex, stop_background
from tests.conftest import MakeApp
from tests.passwords.helpers import NEW_PASSWORD, WEAK_PASSWORD, change_password, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL, register, unused_ip
from tests.servers import Certificate, free_port
from tests.support.inspect import audit_events, error_of, query_all, run_concurrently, single_event
from tests.support.log_capture import LogCapture
from tests.support.users import PASSWORD, UserFactory

from flaskauth.audit.models import AuditEvent
from flaskauth.core import clock
from flaskauth.core.db.session import db

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
UNBREACHED_PASSWORD = "fourteen unheard trombones"
MAX_SECONDS = 5.0  # the client's deadline is 1.5 s; the rest allows for slow test runs


@pytest.fixture
def range_api() -> Iterator[FakeRangeApi]:
    with FakeRangeApi(BREACHED_PASSWORD) as fake_api:
        yield fake_api


@pytest.fixture
def log_capture() -> Iterator[LogCapture]:
    with redirect_stderr(LogCapture()) as captured:
        yield captured


@pytest.fixture
def app(log_capture: LogCapture, range_api: FakeRangeApi, make_app: MakeApp) -> Flask:
    return make_app(BREACHED_PASSWORDS=f"{range_api.base_url}/")


def test_breached_password_is_rejected_by_all_routes(app: Flask, users: UserFactory) -> None:
    grace = users.create_verified()
    reset = request_reset(users)
    responses = [
        register(users.client, password=BREACHED_PASSWORD),
        reset_password(users.client, reset.code, password=BREACHED_PASSWORD, reset_id=reset.id),
        change_password(users.client, grace.login_ok()["token"], PASSWORD, BREACHED_PASSWORD),
    ]

    assert [error_of(response) for response in responses] == [WEAK_PASSWORD] * 3
    assert {str(response.get_json()["errors"]) for response in responses} == {str(BREACH_ERRORS)}
    assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200
    assert audit_events(app, "breach_check_failed") == []


@ON_SQLITE
def test_range_request_sends_only_five_hash_characters(
    app: Flask, range_api: FakeRangeApi, users: UserFactory, log_capture: LogCapture
) -> None:
    users.register(password=UNBREACHED_PASSWORD)
    error_of(register(users.client, password=BREACHED_PASSWORD))

    assert range_api.requests == [
        f"GET /range/{sha1_hex(password)[:5]}" for password in (UNBREACHED_PASSWORD, BREACHED_PASSWORD)
    ]
    for headers in range_api.headers:
        assert headers["Add-Padding"] == "true"
        assert set(headers) == {"Host", "Accept-Encoding", "Add-Padding", "User-Agent", "Connection"}
        assert not [value for value in headers.values() if "grace" in value or UNBREACHED_PASSWORD in value]


@ON_SQLITE
def test_range_padding_is_ignored(app: Flask, range_api: FakeRangeApi, users: UserFactory) -> None:
    range_api.behaviour = range_api.respond_padding_only

    assert register(users.client, password=BREACHED_PASSWORD).status_code == 200
    assert audit_events(app, "breach_check_failed") == []


@ON_SQLITE
def test_range_request_is_sent_for_any_email_unless_weak(
    app: Flask, range_api: FakeRangeApi, users: UserFactory
) -> None:
    users.create_verified()
    range_api.requests.clear()
    for email in (GRACE_EMAIL, "other@example.com"):
        register(users.client, email, password=UNBREACHED_PASSWORD)
    assert len(set(range_api.requests)) == 1
    assert len(range_api.requests) == 2
    register(users.client, password="password")
    assert len(range_api.requests) == 2


FAILURE_REASONS = {
    "hang": "TimeoutError",
    "drip_headers": "TimeoutError",
    "drip_body": "TimeoutError",
    "respond_500": "status 500",
    "respond_html": "not a range",
    "respond_empty": "not a range",
    "respond_binary": "BadStatusLine",
    "respond_too_long": "too long",
    "respond_truncated": "cut short",
    "redirect": "status 302",
}


@ON_SQLITE
@pytest.mark.parametrize(("behaviour", "reason"), FAILURE_REASONS.items())
def test_range_api_failure_allows_registration_quickly(
    app: Flask, range_api: FakeRangeApi, users: UserFactory, behaviour: str, reason: str
) -> None:
    range_api.behaviour = getattr(range_api, behaviour)
    started = time.monotonic()

    assert register(users.client, password=BREACHED_PASSWORD).status_code == 200
    assert time.monotonic() - started < MAX_SECONDS
    assert single_event(app, "breach_check_failed").details == {"reason": reason}
    assert [path for path in range_api.requests if "elsewhere" in path] == []


def test_unavailable_range_api_allows_all_password_routes(make_app: MakeApp) -> None:
    app = make_app(BREACHED_PASSWORDS=f"http://127.0.0.1:{free_port()}")
    users = UserFactory(app)
    grace = users.create_verified(password=BREACHED_PASSWORD)
    reset = request_reset(users)

    assert reset_password(users.client, reset.code, password=BREACHED_PASSWORD, reset_id=reset.id).status_code == 200
    assert change_password(users.client, grace.login_ok()["token"], BREACHED_PASSWORD, NEW_PASSWORD).status_code == 200
    assert single_event(app, "breach_check_failed").details == {"reason": "ConnectionRefusedError"}


@ON_SQLITE
def test_range_api_with_untrusted_tls_receives_no_request(make_app: MakeApp) -> None:
    """The certificate is signed by no authority that this machine trusts."""
    with FakeRangeApi(BREACHED_PASSWORD, tls=Certificate().server_context()) as service:
        app = make_app(BREACHED_PASSWORDS=service.base_url)
        assert register(app.test_client(), password=BREACHED_PASSWORD).status_code == 200

        assert service.requests == []
        assert single_event(app, "breach_check_failed").details == {"reason": "SSLCertVerificationError"}


@ON_SQLITE
def test_range_api_failure_pauses_requests_for_ten_seconds(
    app: Flask, range_api: FakeRangeApi, users: UserFactory
) -> None:
    range_api.behaviour = range_api.respond_500
    register(users.client, at=unused_ip(), password=BREACHED_PASSWORD)
    range_api.behaviour = range_api.respond_normally
    clock.travel(timedelta(seconds=4))  # the other seconds are left for slow test runs
    assert register(users.client, at=unused_ip(), password=BREACHED_PASSWORD).status_code == 200
    assert len(range_api.requests) == 1
    clock.travel(timedelta(seconds=6))
    assert error_of(register(users.client, at=unused_ip(), password=BREACHED_PASSWORD)) == WEAK_PASSWORD


@ON_SQLITE
def test_clock_set_back_does_not_extend_pause(app: Flask, range_api: FakeRangeApi, users: UserFactory) -> None:
    range_api.behaviour = range_api.respond_500
    register(users.client, password=BREACHED_PASSWORD)
    range_api.behaviour = range_api.respond_normally
    clock.travel(timedelta(hours=-1))

    assert error_of(register(users.client, at=unused_ip(), password=BREACHED_PASSWORD)) == WEAK_PASSWORD


@ON_SQLITE
def test_range_api_outage_is_recorded_once_per_minute(app: Flask, range_api: FakeRangeApi, users: UserFactory) -> None:
    range_api.behaviour = range_api.respond_500
    for _ in range(4):
        register(users.client, at=unused_ip(), password=BREACHED_PASSWORD)
        clock.travel(timedelta(seconds=11))

    assert len(range_api.requests) == 4
    assert single_event(app, "breach_check_failed").details == {"reason": "status 500"}


def test_range_request_holds_no_database_connection(app: Flask, range_api: FakeRangeApi, users: UserFactory) -> None:
    """A slow range API must not exhaust the connection pool."""
    users.create_verified()
    ada = users.create_verified("ada@example.com").login_ok()["token"]
    reset = request_reset(users)
    stop_background(app)
    range_api.behaviour = range_api.hang
    for send_request in (
        lambda: register(app.test_client(), at=unused_ip(), password=BREACHED_PASSWORD),
        lambda: reset_password(app.test_client(), reset.code, password=BREACHED_PASSWORD, reset_id=reset.id),
        lambda: change_password(app.test_client(), ada, PASSWORD, BREACHED_PASSWORD),
    ):
        assert count_connections_during(app, range_api, send_request) == 0


def count_connections_during(app: Flask, service: FakeRangeApi, send_request: Callable[[], object]) -> int:
    """Return how many database connections are checked out while the range API handles a request."""
    clock.travel(timedelta(seconds=11))
    service.request_received.clear()
    thread = Thread(target=send_request)
    thread.start()
    assert service.request_received.wait(10)
    with app.app_context():
        in_use: int = db.engine.pool.checkedout()  # type: ignore[attr-defined]
    thread.join()
    return in_use


@ON_SQLITE
def test_concurrent_range_requests_wait_no_longer_than_one(app: Flask, range_api: FakeRangeApi) -> None:
    range_api.behaviour = range_api.drip_headers
    started = time.monotonic()
    responses = run_concurrently(
        [lambda: register(app.test_client(), at=unused_ip(), password=BREACHED_PASSWORD) for _ in range(8)]
    )

    assert time.monotonic() - started < 2 * MAX_SECONDS
    assert {response.status_code for response in responses} <= {200, 503}
    assert len(range_api.requests) <= 8


@ON_SQLITE
def test_endless_range_response_is_disconnected(app: Flask, range_api: FakeRangeApi, users: UserFactory) -> None:
    range_api.behaviour = range_api.drip_headers
    register(users.client, password=BREACHED_PASSWORD)

    for _ in range(500):
        if not [thread for thread in enumerate_threads() if thread.name == "breached-passwords"]:
            return
        time.sleep(0.01)
    raise AssertionError("the request thread is still running")


@ON_SQLITE
@pytest.mark.parametrize("behaviour", ["respond_normally", "respond_500"])
def test_log_and_audit_contain_no_password_data(
    app: Flask, range_api: FakeRangeApi, users: UserFactory, log_capture: LogCapture, behaviour: str
) -> None:
    range_api.behaviour = getattr(range_api, behaviour)
    register(users.client, password=BREACHED_PASSWORD)
    recorded = log_capture.getvalue() + " ".join(str(vars(event)) for event in query_all(app, select(AuditEvent)))

    for secret in (
        BREACHED_PASSWORD,
        sha1_hex(BREACHED_PASSWORD)[:5],
        sha1_hex(BREACHED_PASSWORD)[5:],
        range_api.base_url,
    ):
        assert secret.lower() not in recorded.lower()
