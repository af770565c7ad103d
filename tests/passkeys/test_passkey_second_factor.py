"""Passkeys and security keys as a second factor of sign-ins and reauthentications."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from tests.mfa.helpers import INVALID_CODE, SECOND_FACTOR_REQUIRED
from tests.passkeys.client import PasskeyUser, sign_in_options, sign_in_with
from tests.support.inspect import audit_events, error_of, query_all
from tests.support.soft_authenticator import BE, BS, UP, UV, Json, SoftAuthenticator
from tests.support.users import PASSWORD, bearer
from werkzeug.test import TestResponse

from flaskauth.mail.models import OutboxMail
from flaskauth.mfa.models import Passkey, RecoveryCode
from flaskauth.one_time_codes.models import EmailLink
from flaskauth.sessions.models import Session


def challenge(user: PasskeyUser) -> Json:
    response = user.user.login()
    assert error_of(response) == SECOND_FACTOR_REQUIRED
    body: Json = response.get_json()
    return body


def confirm(user: PasskeyUser, challenge_token: str, passkey: object, **more: Any) -> TestResponse:
    body = {"challenge_token": challenge_token, "passkey": passkey, **more}
    return user.client.post("/auth/second-factor", json=body)


def reauthenticate(user: PasskeyUser, **body: object) -> TestResponse:
    return user.client.post("/auth/reauthenticate", json=body, headers=user.headers)


def reauthentication_options(user: PasskeyUser) -> Json:
    response = user.client.post("/auth/reauthenticate/options", headers=user.headers)
    options: Json = response.get_json()["passkey"]
    return options


@pytest.mark.parametrize(
    ("kind", "flags", "amr"),
    [
        ("security_key", UP, "pwd hwk mfa"),
        ("passkey", UP | UV | BE | BS, "pwd swk mfa"),
        ("passkey", UP | UV, "pwd hwk mfa"),
    ],
)
def test_passkey_is_a_second_factor_with_codes(grace: PasskeyUser, app: Flask, kind: str, flags: int, amr: str) -> None:
    authenticator = grace.add(SoftAuthenticator(flags=flags), kind=kind, enable_mfa=True)
    required = challenge(grace)
    authenticator.flags &= ~UV  # verification is preferred, not required
    response = confirm(grace, required["challenge_token"], authenticator.get(required["passkey"]))

    assert required["factors"] == ["passkey", "recovery_code"]
    assert required["passkey"]["userVerification"] == "preferred"
    assert response.status_code == 200, response.text
    assert query_all(app, select(Session.amr).order_by(Session.id))[-1] == amr
    assert response.get_json()["recovery_codes_left"] == len(query_all(app, select(RecoveryCode.id))) == 10


def test_passkey_without_enable_mfa_requires_no_second_factor(grace: PasskeyUser) -> None:
    grace.add(kind="security_key")

    assert grace.user.login().status_code == 200


def test_first_passkey_returns_recovery_codes_once(grace: PasskeyUser) -> None:
    first = grace.register(SoftAuthenticator().create(grace.creation_options())).get_json()
    second = grace.register(SoftAuthenticator().create(grace.creation_options())).get_json()

    assert len(first["recovery_codes"]) == 10
    assert second["recovery_codes"] is None


def test_passkey_of_another_user_is_no_second_factor(grace: PasskeyUser, other: PasskeyUser) -> None:
    grace.add(enable_mfa=True)
    others = other.add()
    required = challenge(grace)

    assert error_of(confirm(grace, required["challenge_token"], others.get(required["passkey"]))) == INVALID_CODE
    others.user_handle = None
    assert error_of(confirm(grace, required["challenge_token"], others.get(required["passkey"]))) == INVALID_CODE


def test_passkey_for_another_login_challenge_is_rejected(grace: PasskeyUser, app: Flask) -> None:
    authenticator = grace.add(enable_mfa=True)
    first, second = challenge(grace), challenge(grace)
    sign_in = authenticator.get(sign_in_options(grace.client))

    assert error_of(confirm(grace, second["challenge_token"], authenticator.get(first["passkey"]))) == INVALID_CODE
    assert error_of(confirm(grace, second["challenge_token"], sign_in)) == INVALID_CODE
    assert confirm(grace, second["challenge_token"], authenticator.get(second["passkey"])).status_code == 200
    assert len(audit_events(app, "second_factor_failed")) == 2


def test_passkey_second_factor_is_used_once(grace: PasskeyUser) -> None:
    authenticator = grace.add(enable_mfa=True)
    required = challenge(grace)
    credential = authenticator.get(required["passkey"])

    assert confirm(grace, required["challenge_token"], credential).status_code == 200
    assert error_of(confirm(grace, required["challenge_token"], credential)) == (401, "invalid_token")


def test_passkey_copy_at_reauthentication_reports_session(grace: PasskeyUser, app: Flask) -> None:
    authenticator = grace.add(SoftAuthenticator(sign_count=7))
    credential = authenticator.get(reauthentication_options(grace))
    assert error_of(reauthenticate(grace, passkey=credential)) == INVALID_CODE

    reported = select(EmailLink.session_id).join(OutboxMail, OutboxMail.link_id == EmailLink.id)
    [session_id] = query_all(app, select(Session.id))
    assert query_all(app, reported.where(OutboxMail.template == "passkeys/counter_regressed")) == [session_id]


def test_assertion_of_a_second_step_cannot_sign_in(grace: PasskeyUser) -> None:
    authenticator = grace.add(enable_mfa=True)
    credential = authenticator.get(challenge(grace)["passkey"])
    response = grace.client.post("/auth/passkeys", json={"credential": credential})

    assert error_of(response) == (401, "invalid_credentials")


@pytest.mark.parametrize("credential", [{}, {"id": "x"}, {"id": 7, "response": {}}, {"type": "public-key"}])
def test_malformed_passkey_is_an_invalid_code(grace: PasskeyUser, credential: Json) -> None:
    grace.add(enable_mfa=True)

    assert error_of(confirm(grace, challenge(grace)["challenge_token"], credential)) == INVALID_CODE


def test_two_kinds_of_factors_in_one_request_are_rejected(grace: PasskeyUser) -> None:
    authenticator = grace.add(enable_mfa=True)
    required = challenge(grace)
    passkey = authenticator.get(required["passkey"])

    assert error_of(confirm(grace, required["challenge_token"], passkey, otp="123456"))[0] == 422
    assert error_of(confirm(grace, required["challenge_token"], "passkey"))[0] == 422


def test_remembered_device_replaces_the_passkey(grace: PasskeyUser) -> None:
    authenticator = grace.add(enable_mfa=True)
    required = challenge(grace)
    response = confirm(grace, required["challenge_token"], authenticator.get(required["passkey"]), remember_device=True)
    device_token = response.get_json()["device_token"]

    assert grace.user.login(device_token=device_token).status_code == 200
    assert error_of(grace.user.login()) == SECOND_FACTOR_REQUIRED


def test_reauthentication_with_a_passkey_alone_is_fresh(grace: PasskeyUser, app: Flask) -> None:
    authenticator = grace.add(enable_mfa=True)
    sessions = len(query_all(app, select(Session.id)))
    response = reauthenticate(grace, passkey=authenticator.get(reauthentication_options(grace)))
    token = response.get_json()["token"]

    assert len(query_all(app, select(Session.id))) == sessions
    assert query_all(app, select(Session.amr).where(Session.revoked_at.is_(None))) == ["hwk user mfa"]
    assert grace.client.delete("/auth/sessions", headers=bearer(token)).status_code == 200


def test_reauthentication_with_a_passkey_alone_verifies_the_user(grace: PasskeyUser) -> None:
    passkey, key = grace.add(enable_mfa=True), grace.add(kind="security_key")
    passkey.flags = UP

    assert error_of(reauthenticate(grace, passkey=passkey.get(reauthentication_options(grace)))) == INVALID_CODE
    assert error_of(reauthenticate(grace, passkey=key.get(reauthentication_options(grace)))) == INVALID_CODE
    with_password = {"password": PASSWORD, "passkey": passkey.get(reauthentication_options(grace))}
    assert reauthenticate(grace, **with_password).status_code == 200


def test_reauthentication_options_of_another_session_fail(grace: PasskeyUser) -> None:
    authenticator = grace.add()
    options = reauthentication_options(PasskeyUser.sign_in(grace.user))

    assert error_of(reauthenticate(grace, passkey=authenticator.get(options))) == INVALID_CODE
    assert error_of(reauthenticate(grace)) == (422, "validation_failed")


def test_user_without_password_reauthenticates_with_a_passkey(grace: PasskeyUser) -> None:
    authenticator = grace.add()
    grace.add()
    grace.headers = bearer(sign_in_with(grace.client, authenticator).get_json()["token"])
    grace.client.delete("/users/password", headers=grace.headers)

    assert error_of(reauthenticate(grace, password=PASSWORD)) == (401, "invalid_credentials")
    assert reauthenticate(grace, passkey=authenticator.get(reauthentication_options(grace))).status_code == 200


def test_removed_last_passkey_turns_mfa_off(grace: PasskeyUser, app: Flask) -> None:
    grace.add(enable_mfa=True)
    [passkey_id] = query_all(app, select(Passkey.id))
    response = grace.client.delete(f"/users/factors/passkeys/{passkey_id}", headers=grace.headers)

    assert response.status_code == 200, response.text
    assert grace.user.login().status_code == 200
