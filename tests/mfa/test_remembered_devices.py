"""A remembered device replaces the second factor after a password, for some days, for one user and sign-ins only."""

from datetime import timedelta

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.email_change.helpers import RequestedChange
from tests.mfa.helpers import REAUTHENTICATION_REQUIRED, SECOND_FACTOR_REQUIRED, MfaUser
from tests.passwords.helpers import NEW_PASSWORD, change_password, request_reset, reset_password
from tests.registration.helpers import code_for_id
from tests.security_alerts.test_takeover_recovery import newest_link
from tests.sessions.helpers import SessionClient
from tests.signing_keys.helpers import decode_claims
from tests.support.inspect import error_of, single_event
from tests.support.users import OTHER_IP, PASSWORD, UserFactory, bearer

from flaskauth.core import clock
from flaskauth.one_time_codes import links

DAYS = timedelta(days=30)


def remember(user: MfaUser) -> str:
    """Sign in, let the device be remembered, and return its token."""
    body = user.sign_in(remember_device=True)
    assert body["remembered_until"]
    return str(body["device_token"])


def test_remembered_device_replaces_second_factor(app: Flask) -> None:
    user = MfaUser.create(app)
    device_token = remember(user)
    body = user.login(at=OTHER_IP, device_token=device_token).get_json()
    claims = decode_claims(body["token"])

    assert (claims["amr"], claims["acr"], claims.get("fresh_until")) == (["pwd"], "aal1", None)
    assert error_of(user.call("PUT", "/mfa", {"enabled": False}, body["token"])) == REAUTHENTICATION_REQUIRED
    assert error_of(user.login()) == SECOND_FACTOR_REQUIRED
    assert user.overview()["remembered_devices"] == 1
    assert single_event(app, "device_remembered").session_id is not None


def test_remembered_device_does_not_reauthenticate(app: Flask) -> None:
    user = MfaUser.create(app)
    device_token = remember(user)
    user.token = user.login(device_token=device_token).get_json()["token"]

    assert error_of(user.reauthenticate()) == SECOND_FACTOR_REQUIRED


def test_remembered_device_expires(app: Flask) -> None:
    """It lasts as long as the setting says."""
    user = MfaUser.create(app)
    device_token = remember(user)
    clock.travel(DAYS - timedelta(minutes=5))
    assert user.login(device_token=device_token).status_code == 200

    clock.travel(timedelta(minutes=6))
    assert error_of(user.login(device_token=device_token)) == SECOND_FACTOR_REQUIRED


def test_remembered_device_of_other_user_is_ignored(app: Flask) -> None:
    grace, ada = MfaUser.create(app), MfaUser.create(app, "ada@example.com")

    assert error_of(ada.login(device_token=remember(grace))) == SECOND_FACTOR_REQUIRED


def test_remember_device_with_setting_zero_is_ignored(make_app: MakeApp) -> None:
    """The setting applies to the devices that were remembered before, too."""
    user = MfaUser.create(make_app())
    device_token = remember(user)
    user.client = make_app(REMEMBER_DEVICE_DAYS="0").test_client()
    assert error_of(user.login(device_token=device_token)) == SECOND_FACTOR_REQUIRED

    assert user.sign_in(remember_device=True)["remembered_until"] is None


def test_remembered_device_requires_factor_after_mailed_code(app: Flask) -> None:
    user = MfaUser.create(app)
    device_token = remember(user)
    sign_in_id = user.client.post("/auth/email-code", json={"email": user.email}).get_json()["sign_in_id"]
    body = {"otp": code_for_id(app, sign_in_id), "sign_in_id": sign_in_id, "device_token": device_token}

    assert error_of(user.client.post("/auth/email-code/verify", json=body)) == SECOND_FACTOR_REQUIRED


def test_remembered_device_removes_no_factor(app: Flask) -> None:
    """Neither does a token that a session with both factors has refreshed."""
    user = MfaUser.create(app)
    device_token = remember(user)
    remembered = user.login(device_token=device_token).get_json()["token"]
    refreshed = user.client.post("/auth/refresh", json={"refresh_token": user.refresh_token}).get_json()["token"]

    for token in (remembered, refreshed):
        assert error_of(user.call("DELETE", f"/totp/{user.factor_id}", token=token)) == REAUTHENTICATION_REQUIRED


@pytest.mark.parametrize("is_current", [True, False])
def test_session_revocation_forgets_its_device(app: Flask, is_current: bool) -> None:
    user = MfaUser.create(app)
    other = remember(user)
    session_id = user.refresh_token.partition(".")[0]
    own = other if is_current else remember(user)
    assert user.client.delete(f"/auth/sessions/{session_id}", headers=bearer(user.token)).status_code == 200

    assert error_of(user.login(device_token=other)) == SECOND_FACTOR_REQUIRED
    assert user.login(device_token=own).status_code == (401 if is_current else 200)


def test_logout_keeps_device_remembered(app: Flask) -> None:
    user = MfaUser.create(app)
    device_token = remember(user)
    assert user.client.post("/auth/logout", headers=bearer(user.token)).status_code == 200

    assert user.login(device_token=device_token).status_code == 200


@pytest.mark.parametrize("is_current", [True, False])
def test_sign_out_everywhere_forgets_all_devices(app: Flask, is_current: bool) -> None:
    user = MfaUser.create(app)
    device_token = remember(user)
    if not is_current:
        user.sign_in()
    assert user.client.delete("/auth/sessions", headers=bearer(user.token)).status_code == 200

    assert error_of(user.login(device_token=device_token)) == SECOND_FACTOR_REQUIRED


@pytest.mark.parametrize("change", ["forget", "mfa off and on", "report", "revert", "password reset"])
def test_remembered_device_is_cleared(app: Flask, change: str) -> None:
    user = MfaUser.create(app)
    clock.travel(links.LIFETIME)  # a link does not undo the enrolment
    device_token, password = remember(user), None
    user.sign_in()  # a device of its own
    if change == "forget":
        assert user.call("DELETE", "/remembered").status_code == 200
        assert single_event(app, "remembered_devices_cleared").details == {"cleared": 1}
    elif change == "mfa off and on":
        assert user.call("PUT", "/mfa", {"enabled": False}).status_code == 200
        assert user.call("PUT", "/mfa", {"enabled": True}).status_code == 200
    else:
        users, password = UserFactory(app), NEW_PASSWORD
        if change == "report":
            assert user.call("POST", "/recovery-codes").status_code == 200
            assert newest_link(app, user.email).follow(users.client).status_code == 200
        elif change == "revert":
            session = SessionClient(user.client, {"token": user.token})
            assert RequestedChange.request(app, session).revert_link.follow(users.client).status_code == 200
        reset = request_reset(users)
        assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200

    login = user.login(password, device_token=device_token) if password else user.login(device_token=device_token)
    assert error_of(login) == SECOND_FACTOR_REQUIRED


def test_password_change_keeps_only_current_remembered_device(app: Flask) -> None:
    user = MfaUser.create(app)
    other, current = remember(user), remember(user)
    assert change_password(user.client, user.token, PASSWORD).status_code == 200

    assert error_of(user.login(NEW_PASSWORD, device_token=other)) == SECOND_FACTOR_REQUIRED
    assert user.login(NEW_PASSWORD, device_token=current).status_code == 200
