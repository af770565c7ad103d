"""Sign-in with a password and the code of an authenticator app (RFC 6238)."""

import hmac
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from flask import Flask
from sqlalchemy import select
from tests.login.helpers import FIXED_REQUEST_ID
from tests.mfa.helpers import (
    CHALLENGE_EXPIRED,
    INVALID_CODE,
    SECOND_FACTOR_REQUIRED,
    STEP,
    MfaUser,
    accepted_otps,
    wrong_otp,
)
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.signing_keys.helpers import decode_claims
from tests.support.inspect import error_of, hash_count, query_all, single_event, statement_counts
from tests.support.users import UserFactory, bearer

from flaskauth.core import clock
from flaskauth.mfa import totp
from flaskauth.mfa.models import LoginChallenge
from flaskauth.sessions.models import Session

OATHTOOL = shutil.which("oathtool")


def session_count(app: Flask) -> int:
    return len(query_all(app, select(Session.id)))


def test_totp_sign_in_requires_both_factors(app: Flask) -> None:
    user = MfaUser.create(app)
    response = user.login()

    assert error_of(response) == SECOND_FACTOR_REQUIRED
    assert response.get_json()["factors"] == ["otp", "recovery_code"]
    assert session_count(app) == 1
    body = user.sign_in()
    claims = decode_claims(body["token"])
    assert (claims["amr"], claims["acr"]) == (["pwd", "otp", "mfa"], "aal2")
    assert "fresh_until" in claims
    assert (body["recovery_codes_left"], body["remembered_until"]) == (10, None)


def test_refresh_keeps_amr_and_acr(app: Flask) -> None:
    user = MfaUser.create(app)
    user.sign_in()
    body = user.client.post("/auth/refresh", json={"refresh_token": user.refresh_token}).get_json()
    claims = decode_claims(body["token"])

    assert (claims["amr"], claims["acr"]) == (["pwd", "otp", "mfa"], "aal2")


def test_wrong_password_with_mfa_on_equals_mfa_off(app: Flask) -> None:
    """MFA on and off, and an unknown address, have the same response, statements and hashes for a wrong password."""
    user = MfaUser.create(app)
    UserFactory(app).create_verified("ada@example.com")
    results = []
    for email in (user.email, "ada@example.com", "unknown@example.com"):
        hashes = hash_count(app)
        body = {"email": email, "password": "not the password"}
        with statement_counts(app) as statements:
            response = user.client.post("/auth/login", json=body, headers=FIXED_REQUEST_ID)
        headers = [header for header in response.headers if header[0] != "Date"]
        results.append((response.status_code, response.data, headers, statements, hash_count(app) - hashes))

    assert results[0] == results[1] == results[2]
    assert (results[0][0], results[0][-1]) == (401, 1)


def test_totp_code_with_separators_signs_in(app: Flask) -> None:
    user = MfaUser.create(app)
    for separated in ("{0} {1}", "{0}-{1}", " {0}{1}\n", "{0}\u2009{1}"):
        otp = user.otp()
        user.sign_in(otp=separated.format(otp[:3], otp[3:]))


def test_totp_code_of_adjacent_step_signs_in(app: Flask) -> None:
    user = MfaUser.create(app)
    for steps in (-1, 1):
        clock.travel(2 * STEP)
        assert user.send_factor(user.challenge(), otp=user.otp(steps)).status_code == 200


def test_totp_code_used_twice_is_rejected(app: Flask) -> None:
    user = MfaUser.create(app)
    otp = user.otp()
    assert user.send_factor(user.challenge(), otp=otp).status_code == 200

    assert error_of(user.send_factor(user.challenge(), otp=otp)) == INVALID_CODE
    assert single_event(app, "second_factor_failed").user_id is not None


def test_totp_older_code_after_newer_is_rejected(app: Flask) -> None:
    user = MfaUser.create(app)
    clock.travel(2 * STEP)
    older, newer = user.otp(-1), user.otp()
    assert user.send_factor(user.challenge(), otp=newer).status_code == 200

    assert error_of(user.send_factor(user.challenge(), otp=older)) == INVALID_CODE


def test_totp_code_outside_window_is_rejected(app: Flask) -> None:
    user = MfaUser.create(app)
    clock.travel(5 * STEP)
    while {user.otp(-2), user.otp(2)} & accepted_otps(user):
        clock.travel(STEP)
    challenge = user.challenge()

    for steps in (-2, 2):
        assert error_of(user.send_factor(challenge, otp=user.otp(steps))) == INVALID_CODE


def test_totp_code_in_other_digits_is_rejected(app: Flask) -> None:
    user = MfaUser.create(app)
    for zero in "\u0660\u0966\uff10":  # Arabic, Devanagari, full-width
        translated = user.otp().translate({ord("0") + digit: chr(ord(zero) + digit) for digit in range(10)})
        assert error_of(user.send_factor(user.challenge(), otp=translated)) == INVALID_CODE


def test_totp_code_of_wrong_type_is_invalid(app: Flask) -> None:
    user = MfaUser.create(app)
    challenge = user.challenge()

    for otp in (123456, 1.5, None, ["123456"], {"a": 1}, True, ""):
        assert error_of(user.send_factor(challenge, otp=otp)) == (422, "validation_failed"), otp


def test_second_factor_requires_exactly_one_factor(app: Flask) -> None:
    user = MfaUser.create(app)
    challenge = user.challenge()
    both = user.send_factor(challenge, otp=user.otp(), recovery_code=user.recovery_codes[0])
    none = user.client.post("/auth/second-factor", json={"challenge_token": challenge})

    assert both.get_json()["errors"] == none.get_json()["errors"] == {"body": ["Send exactly one second factor."]}
    assert user.send_factor(challenge).status_code == 200


def test_challenge_of_other_user_rejects_own_code(app: Flask) -> None:
    grace, ada = MfaUser.create(app), MfaUser.create(app, "ada@example.com")
    while grace.otp() in accepted_otps(ada):
        clock.travel(STEP)

    assert error_of(grace.send_factor(ada.challenge(), otp=grace.otp())) == INVALID_CODE
    assert error_of(grace.send_factor(ada.challenge(), recovery_code=grace.recovery_codes[0])) == INVALID_CODE


def test_challenge_used_twice_is_expired(app: Flask) -> None:
    user = MfaUser.create(app)
    challenge = user.challenge()
    assert user.send_factor(challenge).status_code == 200
    clock.travel(STEP)

    assert error_of(user.send_factor(challenge)) == CHALLENGE_EXPIRED


def test_challenge_after_factor_change_is_expired(app: Flask) -> None:
    user = MfaUser.create(app)
    challenge = user.challenge()
    assert user.call("POST", "/recovery-codes").status_code == 200

    assert error_of(user.send_factor(challenge)) == CHALLENGE_EXPIRED


def test_challenge_after_password_reset_is_expired(app: Flask) -> None:
    """The reset keeps the factors."""
    user = MfaUser.create(app)
    challenge = user.challenge()
    users = UserFactory(app)
    reset = request_reset(users)
    assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200

    assert error_of(user.send_factor(challenge)) == CHALLENGE_EXPIRED
    assert error_of(user.login()) == (401, "invalid_credentials")
    assert error_of(user.login(NEW_PASSWORD)) == SECOND_FACTOR_REQUIRED


def test_challenge_expires_after_five_minutes(app: Flask) -> None:
    user = MfaUser.create(app)
    challenge = user.challenge()
    clock.travel(timedelta(minutes=5, seconds=1))

    assert error_of(user.send_factor(challenge)) == CHALLENGE_EXPIRED


def test_challenge_token_opens_nothing_else(app: Flask) -> None:
    """Leaving the second step gives no access."""
    user = MfaUser.create(app)
    challenge = user.challenge()

    assert error_of(user.client.get("/users/profile", headers=bearer(challenge))) == (401, "invalid_token")
    assert error_of(user.client.post("/auth/refresh", json={"refresh_token": challenge}))[0] == 401
    assert error_of(user.send_factor("x" * 43)) == CHALLENGE_EXPIRED
    assert challenge.encode() not in b"".join(query_all(app, select(LoginChallenge.token_digest)))


def test_sign_in_event_has_amr(app: Flask) -> None:
    user = MfaUser.create(app)
    first = single_event(app, "sign_in")
    user.send_factor(user.challenge(), otp=wrong_otp(user))

    assert first.details == {"amr": "pwd"}
    assert single_event(app, "second_factor_failed").details == {"purpose": "second_factor"}


def matching_step(secret: bytes, otp: str, seconds: int) -> int | None:
    """Return the step of a code at a Unix time. The clock is stopped."""
    clock.travel(datetime.fromtimestamp(seconds, UTC) - clock.now())
    return totp._matching_step(secret, otp, window=0)


@pytest.mark.usefixtures("stopped_clock")
def test_totp_matches_rfc_6238_vectors() -> None:
    """Appendix B, with the last six of its eight digits."""
    vectors = {
        59: "287082",
        1111111109: "081804",
        1111111111: "050471",
        1234567890: "005924",
        2000000000: "279037",
        20000000000: "353130",
    }
    for seconds, otp in vectors.items():
        assert matching_step(b"12345678901234567890", otp, seconds) == seconds // 30


@pytest.mark.usefixtures("stopped_clock")
def test_totp_matches_independent_implementation() -> None:
    """10,000 codes of random secrets, computed as in RFC 4226 section 5.3."""
    random = Random(6238)
    for _ in range(10_000):
        secret, step = random.randbytes(20), random.randrange(2**32)
        digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
        offset = digest[-1] & 15
        number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
        assert matching_step(secret, f"{number % 10**6:06}", step * 30) == step


@pytest.mark.usefixtures("stopped_clock")
@pytest.mark.skipif(OATHTOOL is None, reason="oathtool is not installed")
def test_totp_matches_oathtool() -> None:
    """10,000 codes of consecutive steps."""
    assert OATHTOOL
    secret = Random(6238).randbytes(20)
    command = [OATHTOOL, "--totp", "--window=9999", "--now=@0", secret.hex()]
    codes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    assert len(codes) == 10_000
    for step, code in enumerate(codes):
        assert matching_step(secret, code, step * 30) == step
