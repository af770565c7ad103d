"""C: codes that are guessed, reused, sent for other users or requested repeatedly."""

import pytest
from tests.registration.helpers import VERIFICATION_METHODS, WRONG_CODE, start_registration, unused_ip, verify
from tests.security.account_states import create_users_in_all_states
from tests.security.checks import AttackChecker
from tests.support.inspect import error_of, run_concurrently
from tests.support.users import CLIENT_IP, forwarded_for
from werkzeug.test import TestResponse

from flaskauth.one_time_codes import derivation
from flaskauth.one_time_codes.models import OneTimeCode

INVALID_CODE, TOO_MANY_REQUESTS, VALIDATION_FAILED = (
    (401, "invalid_code"),
    (429, "too_many_requests"),
    (422, "validation_failed"),
)
ADA, EVE = "ada@example.com", "eve@example.com"
VERIFICATION_TABLES = {"users", "registrations", "one_time_codes"}


def test_c01_otp_of_another_registration_is_rejected(checker: AttackChecker) -> None:
    registration, other_registration = (
        start_registration(checker.users, ADA, unused_ip()),
        start_registration(checker.users, EVE, unused_ip()),
    )
    with checker.expect_only(hashes=0, events={"invalid_code"}):
        for method in ({"email": ADA}, {"verification_id": registration.id}):
            assert error_of(verify(checker.client, other_registration.code, unused_ip(), **method)) == INVALID_CODE


@pytest.mark.parametrize("method", ["by id", "by email"])
def test_c03_right_otp_after_five_wrong_is_rate_limited(checker: AttackChecker, method: str) -> None:
    registration, at = start_registration(checker.users, ADA, unused_ip()), unused_ip()
    with checker.expect_only(hashes=0, events={"invalid_code"}):
        codes = [WRONG_CODE] * 5 + [registration.code, WRONG_CODE, registration.code]
        responses = [error_of(verify(checker.client, code, at, **registration.identifier(method))) for code in codes]
        assert responses == [INVALID_CODE] * 5 + [TOO_MANY_REQUESTS] * 3


def test_c05_right_otp_in_exhausted_burst_is_rate_limited(checker: AttackChecker) -> None:
    registration = start_registration(checker.users, ADA, unused_ip())
    codes = [WRONG_CODE] * 12 + [registration.code]
    with checker.expect_only(hashes=0, events={"invalid_code"}):
        for code in codes[:5]:
            verify(checker.client, code, unused_ip(), verification_id=registration.id)
        burst = [
            lambda code=code: verify(checker.client, code, unused_ip(), verification_id=registration.id)
            for code in codes
        ]
        assert {error_of(response) for response in run_concurrently(burst)} == {TOO_MANY_REQUESTS}


@pytest.mark.parametrize("method", VERIFICATION_METHODS)
def test_c07_reuse_of_otp_is_rejected(checker: AttackChecker, method: str) -> None:
    registration = start_registration(checker.users, ADA, unused_ip())
    with checker.expect_only(VERIFICATION_TABLES, hashes=0, events={"account_created"}):
        assert (
            verify(checker.client, registration.code, unused_ip(), **registration.identifier(method)).status_code == 200
        )
    with checker.expect_only(hashes=0, events={"invalid_code"}):
        assert (
            error_of(verify(checker.client, registration.code, unused_ip(), **registration.identifier(method)))
            == INVALID_CODE
        )


def test_c11_unicode_lookalike_otp_is_rejected(checker: AttackChecker) -> None:
    registration = start_registration(checker.users, ADA, unused_ip())
    lookalikes = (
        "\u0412" + registration.code[1:],  # a Cyrillic letter
        registration.code.replace("-", "_"),
        f"\u202e{registration.code[::-1]}",
        registration.code[:-1],
        registration.code + "2",
        "\u0662" * 8,
        "%" * 8,
        "_" * 8,
    )
    with checker.expect_only(hashes=0, events={"invalid_code"}):
        for code in lookalikes:
            assert error_of(verify(checker.client, code, unused_ip(), email=ADA)) in (
                INVALID_CODE,
                TOO_MANY_REQUESTS,
            ), ascii(code)
    with checker.expect_only(hashes=0):
        for otp in (
            12345678,
            1234.5678,
            [registration.code],
            {"code": registration.code},
            None,
            True,
            "",
            "x" * 65,
            registration.code + "\x00",
        ):
            response = checker.client.post(
                "/auth/verify", json={"otp": otp, "email": ADA}, headers=forwarded_for(unused_ip())
            )
            assert error_of(response) == VALIDATION_FAILED, otp
    with checker.expect_only(VERIFICATION_TABLES, hashes=0, events={"account_created"}):
        spelling = f" {registration.code.lower().replace('-', '- ')} "
        assert verify(checker.client, spelling, unused_ip(), verification_id=registration.id).status_code == 200


def test_c13_verify_of_verified_email_prevents_enumeration(checker: AttackChecker) -> None:
    checker.create_user(ADA)

    def send(email: str, at: str) -> TestResponse:
        return verify(checker.client, WRONG_CODE, at, email=email)

    with checker.expect_only(hashes=0, events={"invalid_code"}):
        assert error_of(checker.assert_indistinguishable(send, ADA, "unknown@example.com")) == INVALID_CODE


@pytest.mark.parametrize("path", ["/auth/verify", "/auth/reset-password"])
def test_c15_wrong_otp_response_prevents_enumeration(checker: AttackChecker, path: str) -> None:
    emails = create_users_in_all_states(checker)
    fields = {"password": "nine purple umbrellas"} if "reset" in path else {}

    def send(email: str, at: str) -> TestResponse:
        return checker.client.post(path, json={"email": email, "otp": WRONG_CODE, **fields}, headers=forwarded_for(at))

    with checker.expect_only(hashes=0, events={"invalid_code"}):
        assert error_of(checker.assert_indistinguishable(send, *emails.values())) == INVALID_CODE


def test_c17_resend_flood_sends_no_mail(checker: AttackChecker) -> None:
    registration = start_registration(checker.users, ADA, CLIENT_IP)
    with checker.expect_only({"outbox"}, hashes=0):
        for method in ({"email": ADA}, {"verification_id": registration.id}, {"email": "unknown@example.com"}):
            for _ in range(6):
                response = checker.client.post("/auth/resend", json=method, headers=forwarded_for(unused_ip()))
                assert (response.status_code, set(response.get_json())) == (
                    200,
                    {"status", "success", "message", "retry_after"},
                )


def test_c19_otp_codes_are_uniformly_distributed(checker: AttackChecker) -> None:
    rows = [OneTimeCode(id=n.to_bytes(16), purpose="register", nonce=n.to_bytes(32)) for n in range(20_000)]
    with checker.app.app_context():
        codes = [derivation.candidate_codes(row)[0] for row in rows]
    assert len(set(codes)) == len(codes)
    for position in range(derivation.LENGTH):
        counts = [sum(code[position] == letter for code in codes) for letter in derivation.ALPHABET]
        expected = len(codes) / len(derivation.ALPHABET)
        # 26 degrees of freedom: a uniform sample exceeds 80 once in ten million runs. The nonces are fixed.
        assert sum((count - expected) ** 2 / expected for count in counts) < 80
