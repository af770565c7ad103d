"""Recovery codes: a user who has lost the app signs in with each of them once."""

from base64 import b64encode
from datetime import timedelta
from functools import partial

import pytest
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type, verify_secret
from flask import Flask
from sqlalchemy import select
from tests.concurrency.interleaving import run_interleaved
from tests.conftest import SECRET, MakeApp
from tests.mfa.helpers import CHALLENGE_EXPIRED, INVALID_CODE, NEW_SECRET, MfaUser
from tests.passwords.helpers import NEW_PASSWORD, change_password
from tests.signing_keys.helpers import decode_claims
from tests.support.inspect import error_of, query_all, single_event
from tests.support.users import PASSWORD, Mailbox

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.mfa.models import RecoveryCode


def test_recovery_code_signs_in_once(app: Flask) -> None:
    user = MfaUser.create(app)
    code = user.recovery_codes[0]
    body = user.sign_in(recovery_code=code)

    assert decode_claims(body["token"])["amr"] == ["pwd", "otp", "mfa"]
    assert body["recovery_codes_left"] == user.overview()["recovery_codes_left"] == 9
    assert error_of(user.send_factor(user.challenge(), recovery_code=code)) == INVALID_CODE
    assert single_event(app, "recovery_code_used").user_id is not None
    [mail] = [mail for mail in Mailbox(app).wait(3) if "recovery code was used" in mail["subject"]]
    assert "Few codes are left" not in mail["text"]
    assert "/auth/report-sign-in#" in mail["text"]


@pytest.mark.parametrize("event", ["challenge expires", "password changes"])
def test_recovery_code_of_failed_sign_in_stays_unused(app: Flask, event: str) -> None:
    """The event happens while the code is verified, after the challenge and the user were read."""
    user = MfaUser.create(app)
    code = user.recovery_codes[0]

    def interrupt() -> None:
        if event == "challenge expires":
            clock.travel(timedelta(minutes=6))
        else:
            assert change_password(user.client, user.token, PASSWORD).status_code == 200

    send = partial(user.send_factor, user.challenge(), recovery_code=code)
    response, _ = run_interleaved(app, "(?s)FROM recovery_codes.*digest = ", send, interrupt)
    assert error_of(response) == CHALLENGE_EXPIRED

    assert user.overview()["recovery_codes_left"] == 10
    challenge = user.login(PASSWORD if event == "challenge expires" else NEW_PASSWORD).get_json()["challenge_token"]
    assert user.send_factor(challenge, recovery_code=code).status_code == 200


def test_recovery_code_used_meanwhile_records_no_sign_in(app: Flask) -> None:
    user = MfaUser.create(app)
    challenge, code = user.challenge(), user.recovery_codes[0]
    before = query_all(app, select(User.last_login_at))
    clock.travel(timedelta(minutes=1))
    send = partial(user.send_factor, challenge, recovery_code=code)
    use = partial(user.reauthenticate, recovery_code=code)
    response, other = run_interleaved(app, "UPDATE login_challenges SET used_at", send, use)

    assert (error_of(response), other.status_code) == (INVALID_CODE, 200)
    assert query_all(app, select(User.last_login_at)) == before
    assert user.send_factor(challenge, recovery_code=user.recovery_codes[1]).status_code == 200


def test_recovery_code_mail_warns_at_three_left(app: Flask) -> None:
    user = MfaUser.create(app)
    for code in user.recovery_codes[:7]:
        user.sign_in(recovery_code=code)

    warned = [mail for mail in Mailbox(app).wait(9) if "Few codes are left" in mail["text"]]
    assert len(warned) == 1
    assert "Unused codes  3" in warned[0]["text"]


def test_recovery_code_in_any_spelling_signs_in(app: Flask) -> None:
    user = MfaUser.create(app)
    first, second, third, fourth, *_ = user.recovery_codes

    for spelling in (first.lower(), second.replace("-", ""), third.replace("-", " "), f" {fourth}\n"):
        user.sign_in(recovery_code=spelling)


def test_recovery_code_in_otp_field_is_rejected(app: Flask) -> None:
    """Each field accepts its kind only."""
    user = MfaUser.create(app)

    assert error_of(user.send_factor(user.challenge(), otp=user.recovery_codes[0])) == INVALID_CODE
    assert error_of(user.send_factor(user.challenge(), recovery_code=user.otp())) == INVALID_CODE


def test_recovery_code_of_replaced_set_is_rejected(app: Flask) -> None:
    user = MfaUser.create(app)
    old = user.recovery_codes
    response = user.call("POST", "/recovery-codes")
    new = response.get_json()["recovery_codes"]

    assert len(set(new) - set(old)) == 10
    assert error_of(user.send_factor(user.challenge(), recovery_code=old[0])) == INVALID_CODE
    assert user.sign_in(recovery_code=new[0])["recovery_codes_left"] == 9
    assert [mail["subject"] for mail in Mailbox(app).wait(4)].count("New recovery codes for your account on flaskauth")


def test_recovery_code_of_other_user_is_rejected(app: Flask) -> None:
    grace, ada = MfaUser.create(app), MfaUser.create(app, "ada@example.com")

    assert error_of(grace.send_factor(grace.challenge(), recovery_code=ada.recovery_codes[0])) == INVALID_CODE
    assert ada.overview()["recovery_codes_left"] == 10


def test_recovery_codes_without_factor_are_rejected(app: Flask) -> None:
    user = MfaUser.create(app, enrols=False)

    assert error_of(user.call("POST", "/recovery-codes")) == (422, "validation_failed")


def test_recovery_codes_are_stored_as_argon2_hashes(app: Flask) -> None:
    user = MfaUser.create(app)
    rows = query_all(app, select(RecoveryCode))

    assert len({row.digest for row in rows}) == 10
    assert len({row.salt for row in rows}) == 1
    codes = sorted(code.replace("-", "") for code in user.recovery_codes)
    salt = b64encode(rows[0].salt).rstrip(b"=")
    for row in rows:
        stored = b"$argon2id$v=19$m=8192,t=1,p=1$%b$%b" % (salt, b64encode(row.digest).rstrip(b"="))
        codes.remove(next(code for code in codes if is_hash_of(stored, code)))
    assert not codes


def is_hash_of(stored: bytes, code: str) -> bool:
    try:
        return verify_secret(stored, code.encode(), Type.ID)
    except VerifyMismatchError:
        return False


def test_recovery_code_verifies_after_secret_key_is_lost(make_app: MakeApp) -> None:
    """The user can sign in although the secret of the app is lost."""
    user = MfaUser.create(make_app())
    make_app(SECRET_KEY=NEW_SECRET, SECRET_KEY_FALLBACKS=SECRET)  # encrypts the signing keys again
    user.client = make_app(SECRET_KEY=NEW_SECRET).test_client()
    response = user.login()

    assert response.get_json()["factors"] == ["recovery_code"]
    code = user.recovery_codes[0]
    assert user.send_factor(response.get_json()["challenge_token"], recovery_code=code).status_code == 200
