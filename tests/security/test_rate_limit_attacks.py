"""N: evasion of rate limits, and denial of service."""

import json
import time

import pytest
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.login.helpers import LoginClient
from tests.registration.helpers import unused_ip
from tests.security.account_states import create_users_in_all_states
from tests.security.checks import AttackChecker
from tests.support.inspect import error_of, is_rate_limited_for, query_all, run_concurrently
from tests.support.log_capture import LogCapture
from tests.support.users import CLIENT_IP, TestUser, forwarded_for, registration_form
from werkzeug.test import TestResponse

from flaskauth.rate_limits.models import RateLimitCounter

VALIDATION_FAILED, TOO_MANY_REQUESTS = (422, "validation_failed"), (429, "too_many_requests")


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_n01_spoofed_client_ip_headers_share_one_rate_limit(log_capture: LogCapture, make_app: MakeApp) -> None:
    checker = AttackChecker(make_app(TRUSTED_PROXIES="", RATE_LIMIT_REGISTER="10/minute"), log_capture)
    names = (
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Client-IP",
        "Via",
        "X_Forwarded_For",
    )
    with checker.expect_only(hashes=0):
        responses = [
            checker.client.post(
                "/auth/register",
                json=registration_form(password=""),
                headers={name: f"for={unused_ip()}", **forwarded_for(unused_ip())},
            )
            for name in names * 2
        ]
        assert {error_of(response) for response in responses[-4:]} == {TOO_MANY_REQUESTS}


def test_n01_spoofed_forwarded_hops_share_one_rate_limit(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=0):
        tails = (
            CLIENT_IP,
            f"{CLIENT_IP}:4711",
            f" {CLIENT_IP} ",
            f"::ffff:{CLIENT_IP}",
            f"{CLIENT_IP}%eth0",
            f"127.0.0.1, {CLIENT_IP}, 127.0.0.1",
            f"x,{CLIENT_IP}",
        )
        responses = [
            checker.client.post(
                "/auth/register", json=registration_form(password=""), headers=forwarded_for(f"{unused_ip()}, {tail}")
            )
            for tail in tails * 2
        ]
        assert [error_of(response) for response in responses] == [VALIDATION_FAILED] * 10 + [TOO_MANY_REQUESTS] * 4


def test_n03_invalid_forwarded_ips_share_one_rate_limit(checker: AttackChecker) -> None:
    invalid_ips = (
        "unknown",
        "",
        "_hidden",
        "1.2.3",
        "999.1.1.1",
        "x" * 5000,
        "'",
        "\xff",
        "0x7f.1",
        "-",
        ",,,",
        "[",
        "1::1::",
        "1.2.3.4.5",
    )
    with checker.expect_only(hashes=0):
        responses = [
            checker.client.post("/auth/register", json=registration_form(password=""), headers=forwarded_for(hop))
            for hop in invalid_ips
        ]
        assert [error_of(response) for response in responses] == [VALIDATION_FAILED] * 10 + [TOO_MANY_REQUESTS] * (
            len(invalid_ips) - 10
        )


def test_n07_rate_limit_keys_are_hashed(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=3, events={"sign_in_failed"}):
        for email in ("a*b@example.com", "a%b@example.com", "{a}@example.com"):
            assert TestUser(checker.client, email).login("x", unused_ip()).status_code == 401, email
        for email in ("a:b@example.com", "a\nb@example.com", "a\x00b@example.com", "a" * 60_000):
            assert error_of(TestUser(checker.client, email).login("x", unused_ip())) == VALIDATION_FAILED
    assert {len(key) for key in query_all(checker.app, select(RateLimitCounter.key))} == {32}


def test_n09_login_rate_limit_prevents_enumeration(checker: AttackChecker) -> None:
    emails = create_users_in_all_states(checker)

    def send(email: str, at: str) -> TestResponse:
        login_client = LoginClient(checker.app, email, at)
        login_client.record_failures(6)
        return login_client.login("not the password")

    with checker.expect_only(hashes=len(emails), events={"sign_in_failed"}):
        assert error_of(checker.assert_indistinguishable(send, *emails.values())) == TOO_MANY_REQUESTS


def test_n11_login_lockout_retry_after_counts_down(checker: AttackChecker) -> None:
    login_client = LoginClient(checker.app, checker.create_user("ada@example.com").email)
    with checker.expect_only(events={"sign_in_failed"}):
        login_client.record_failures(4)
        assert login_client.login().status_code == 401
        responses = [login_client.login() for _ in range(4)]
        assert all(is_rate_limited_for(response, 30) for response in responses), [
            response.text for response in responses
        ]
        retry_after_values = [response.get_json()["retry_after"] for response in responses]
        assert retry_after_values == sorted(retry_after_values, reverse=True)


def test_n13_parallel_logins_shed_load_and_stay_responsive(checker: AttackChecker) -> None:
    """Of 40 concurrent logins, some are compared, the rest get 503 immediately, and other requests are served."""

    def guess(number: int) -> TestResponse:
        return TestUser(checker.app.test_client(), f"p{number}@example.com").login("x", unused_ip())

    retry_after_values = []

    def check_liveness() -> TestResponse:
        time.sleep(0.2)
        started_at = time.thread_time()
        response = checker.app.test_client().get("/health/live")
        retry_after_values.append(time.thread_time() - started_at)
        return response

    with checker.expect_only(events={"sign_in_failed"}, allow_overload=True):
        responses = run_concurrently([*[lambda n=n: guess(n) for n in range(40)], check_liveness, check_liveness])
        codes = {error_of(response) for response in responses[:-2]}
    assert codes <= {(401, "invalid_credentials"), (503, "overloaded"), (503, "unavailable")}
    assert [response.status_code for response in responses[-2:]] == [200, 200]
    assert max(retry_after_values) < 0.1
    assert all(
        json.loads(response.text)["retry_after"] >= 1 for response in responses[:-2] if response.status_code == 503
    )
