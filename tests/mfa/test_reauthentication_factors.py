"""With MFA on, a sensitive operation requires all factors within the last 10 minutes."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from tests.conftest import MakeApp
from tests.mfa.helpers import INVALID_CODE, REAUTHENTICATION_REQUIRED, SECOND_FACTOR_REQUIRED, MfaUser, wrong_otp
from tests.passwords.helpers import change_password
from tests.signing_keys.helpers import decode_claims
from tests.support.inspect import audit_events, error_of, query_all, single_event
from tests.support.users import PASSWORD, Mailbox, bearer

from flaskauth.core import clock
from flaskauth.sessions.models import Session


def test_reauthenticate_with_password_requires_factor(app: Flask) -> None:
    user = MfaUser.create(app)
    response = user.reauthenticate()

    assert error_of(response) == SECOND_FACTOR_REQUIRED
    assert (response.get_json()["factors"], response.get_json()["passkey"]) == (["otp", "recovery_code"], None)
    assert "challenge_token" not in response.get_json()


@pytest.mark.parametrize("kind", ["otp", "recovery_code"])
def test_reauthenticate_with_factor_keeps_session(app: Flask, kind: str) -> None:
    """It creates no session."""
    user = MfaUser.create(app)
    first = decode_claims(user.token)
    body = user.reauthenticate(**{kind: user.otp() if kind == "otp" else user.recovery_codes[0]}).get_json()
    claims = decode_claims(body["token"])

    assert (claims["sid"], claims["auth_time"]) == (first["sid"], first["auth_time"])
    assert (claims["amr"], claims["acr"]) == (["pwd", "otp", "mfa"], "aal2")
    assert query_all(app, select(func.count()).select_from(Session)) == [1]


def test_reauthenticate_with_recovery_code_is_reported(app: Flask) -> None:
    """The mail is the one of a sign-in, with its warning that few codes are left."""
    user = MfaUser.create(app)
    for code in user.recovery_codes[:7]:
        assert user.reauthenticate(recovery_code=code).status_code == 200
    mails = [mail for mail in Mailbox(app).wait(9) if mail["subject"] == "A recovery code was used on flaskauth"]

    events = audit_events(app, "recovery_code_used")
    assert [event.session_id for event in events] == [int(decode_claims(user.token)["sid"])] * 7
    assert sorted("Few codes are left" in mail["text"] for mail in mails) == [False] * 6 + [True]
    assert all("/auth/report-sign-in#" in mail["text"] for mail in mails)


def test_reauthenticate_with_wrong_password_consumes_no_factor(app: Flask) -> None:
    user = MfaUser.create(app)
    otp = user.otp()
    assert error_of(user.reauthenticate(password="not the password", otp=otp)) == (401, "invalid_credentials")

    assert user.reauthenticate(otp=otp).status_code == 200
    assert error_of(user.reauthenticate(otp=otp)) == INVALID_CODE


def test_reauthenticate_with_wrong_factor_is_rejected(app: Flask) -> None:
    user = MfaUser.create(app)

    assert error_of(user.reauthenticate(otp=wrong_otp(user))) == INVALID_CODE
    assert single_event(app, "second_factor_failed").session_id == int(decode_claims(user.token)["sid"])


def test_reauthenticate_with_two_factors_is_rejected(app: Flask) -> None:
    user = MfaUser.create(app)
    response = user.reauthenticate(otp=user.otp(), recovery_code=user.recovery_codes[0])

    assert response.get_json()["errors"] == {"body": ["Send at most one second factor."]}


def test_reauthenticate_without_mfa_requires_password_only(app: Flask) -> None:
    user = MfaUser.create(app, enrols=False)
    claims = decode_claims(user.reauthenticate().get_json()["token"])

    assert (claims["amr"], claims["acr"]) == (["pwd"], "aal1")


def test_reauthenticate_with_wrong_factor_refunds_password(app: Flask) -> None:
    """The password was right each time, so the limit of wrong passwords is not reached."""
    user = MfaUser.create(app)
    for _ in range(5):
        assert error_of(user.reauthenticate(otp=wrong_otp(user))) == INVALID_CODE

    assert error_of(user.login("not the password")) == (401, "invalid_credentials")


def test_reauthentication_options_list_factors(app: Flask) -> None:
    user = MfaUser.create(app)
    body = user.client.post("/auth/reauthenticate/options", headers=bearer(user.token)).get_json()

    assert (body["factors"], body["passkey"]) == (["otp", "recovery_code"], None)


def test_factor_change_requires_recent_factor(make_app: MakeApp) -> None:
    """Freshness ends after 10 minutes and begins again with all factors."""
    user = MfaUser.create(make_app(JWT_DURATION="60"))
    clock.travel(timedelta(minutes=11))
    assert error_of(user.call("DELETE", f"/totp/{user.factor_id}")) == REAUTHENTICATION_REQUIRED

    user.token = user.reauthenticate(otp=user.otp()).get_json()["token"]
    assert user.call("DELETE", f"/totp/{user.factor_id}").status_code == 200


def test_password_change_with_mfa_on_requires_recent_factor(make_app: MakeApp) -> None:
    user = MfaUser.create(make_app(JWT_DURATION="60"))
    clock.travel(timedelta(minutes=11))
    assert error_of(change_password(user.client, user.token, PASSWORD)) == REAUTHENTICATION_REQUIRED

    user.token = user.reauthenticate(otp=user.otp()).get_json()["token"]
    assert change_password(user.client, user.token, PASSWORD).status_code == 200
