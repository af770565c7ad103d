"""G: resets of other users, with other codes, with skipped steps; unacceptable new passwords."""

import pytest
from tests.passwords.helpers import NEW_PASSWORD, change_password, forgot_password, request_reset, reset_password
from tests.registration.helpers import WRONG_CODE, start_registration, unused_ip
from tests.security.account_states import create_users_in_all_states
from tests.security.checks import AttackChecker
from tests.support.inspect import error_of
from tests.support.users import PASSWORD, forwarded_for
from werkzeug.test import TestResponse

INVALID_CODE, VALIDATION_FAILED, WEAK_PASSWORD = (
    (401, "invalid_code"),
    (422, "validation_failed"),
    (422, "weak_password"),
)
ADA, EVE = "ada@example.com", "eve@example.com"


def test_g01_forgot_password_prevents_enumeration(checker: AttackChecker) -> None:
    emails = create_users_in_all_states(checker)

    def send(email: str, at: str) -> TestResponse:
        return forgot_password(checker.client, email, at)

    # Only accounts that a reset may open receive a mail.
    with checker.expect_only({"one_time_codes", "outbox"}, mails=3, hashes=0, events={"reset_requested"}):
        assert checker.assert_indistinguishable(send, *emails.values()).status_code == 200
    mailed = {mail["to"] for mail in checker.mailbox.all() if "Reset your password" in mail["subject"]}
    assert mailed == {emails[state] for state in ("account", "unverified", "locked out")}


def test_g03_forgot_password_mails_only_the_exact_owner(checker: AttackChecker) -> None:
    checker.create_user(ADA)
    with checker.expect_only(hashes=0):
        for email in ([ADA, EVE], f"{ADA},{EVE}", f"{ADA}\nCc: {EVE}", {"email": ADA}, f"{ADA}%00"):
            body = {"email": email}
            response = checker.client.post("/auth/forgot-password", json=body, headers=forwarded_for(unused_ip()))
            assert error_of(response) == VALIDATION_FAILED, email
        duplicate_keys = '{"email": "ada@example.com", "email": "eve@example.com"}'
        response = checker.client.post("/auth/forgot-password", data=duplicate_keys, content_type="application/json")
        assert error_of(response) == (400, "bad_request")
    with checker.expect_only({"one_time_codes", "outbox"}, mails=1, hashes=0, events={"reset_requested"}):
        for email in ("ADA@EXAMPLE.COM", "\u0430da@example.com", "ad\u00e0@example.com"):
            assert forgot_password(checker.client, email, unused_ip()).status_code == 200
    assert [mail["to"] for mail in checker.mailbox.all() if "Reset your password" in mail["subject"]] == [ADA]


@pytest.mark.parametrize("method", ["by id", "by email"])
def test_g07_reset_with_code_of_another_user_is_rejected(checker: AttackChecker, method: str) -> None:
    for email in (ADA, EVE):
        checker.create_user(email)
    ada, eve = request_reset(checker.users, ADA, unused_ip()), request_reset(checker.users, EVE, unused_ip())
    with checker.expect_only(hashes=0, events={"invalid_code"}):
        assert error_of(reset_password(checker.client, eve.code, unused_ip(), **ada.identifier(method))) == INVALID_CODE
    with checker.expect_only(hashes=0):
        response = reset_password(checker.client, eve.code, unused_ip(), reset_id=eve.id, email=ADA)
        assert error_of(response) == VALIDATION_FAILED


def test_g07_reset_with_registration_code_is_rejected(checker: AttackChecker) -> None:
    checker.create_user(ADA)
    registration = start_registration(checker.users, EVE, unused_ip())
    with checker.expect_only(hashes=0, events={"invalid_code"}):
        for method in ({"email": EVE}, {"reset_id": registration.id}):
            assert error_of(reset_password(checker.client, registration.code, unused_ip(), **method)) == INVALID_CODE


def test_g09_reset_with_missing_fields_is_invalid(checker: AttackChecker) -> None:
    checker.create_user(ADA)
    reset = request_reset(checker.users, ADA, unused_ip())
    with checker.expect_only(hashes=0):
        for body in (
            {},
            {"password": NEW_PASSWORD},
            {"password": NEW_PASSWORD, "email": ADA},
            {"password": NEW_PASSWORD, "reset_id": reset.id},
            {"otp": None, "password": NEW_PASSWORD, "reset_id": reset.id},
            {"otp": "", "password": NEW_PASSWORD, "email": ADA},
            {"otp": reset.code, "reset_id": reset.id},
            {"otp": reset.code, "password": NEW_PASSWORD},
            {"otp": reset.code, "password": NEW_PASSWORD, "reset_id": ""},
        ):
            response = checker.client.post("/auth/reset-password", json=body, headers=forwarded_for(unused_ip()))
            assert error_of(response) == VALIDATION_FAILED, body
    with checker.expect_only(hashes=0, events={"invalid_code"}):
        for method in ("A" * 22, "A" * 21 + "B", "_" * 22):
            assert error_of(reset_password(checker.client, WRONG_CODE, unused_ip(), reset_id=method)) == INVALID_CODE


def test_g11_reset_and_change_reject_weak_passwords(checker: AttackChecker) -> None:
    user = checker.create_user(ADA)
    token = user.login_ok(unused_ip())["token"]
    reset = request_reset(checker.users, ADA, unused_ip())
    for password, error in {
        "x": WEAK_PASSWORD,
        "password1": WEAK_PASSWORD,
        "ada@example.com": WEAK_PASSWORD,
        "x" * 257: VALIDATION_FAILED,
        "a\x00b" * 5: VALIDATION_FAILED,
    }.items():
        with checker.expect_only(hashes=0 if error == VALIDATION_FAILED else 1):
            assert (
                error_of(reset_password(checker.client, reset.code, unused_ip(), password, reset_id=reset.id)) == error
            ), password
            assert error_of(change_password(checker.client, token, PASSWORD, password, unused_ip())) == error, password
    with checker.expect_only(hashes=1):
        assert error_of(change_password(checker.client, token, PASSWORD, PASSWORD, unused_ip())) == WEAK_PASSWORD
