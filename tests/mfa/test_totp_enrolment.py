"""Authenticator apps are added in two steps, renamed and removed. Each change requires all factors and is mailed."""

from base64 import b32decode
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from sqlalchemy import func, select, update
from tests.conftest import MakeApp
from tests.mfa.helpers import (
    INVALID_CODE,
    NOT_FOUND,
    REAUTHENTICATION_REQUIRED,
    STEP,
    MfaUser,
    accepted_otps,
    wrong_otp,
)
from tests.support.inspect import audit_events, error_of, execute_statement, query_all, run_concurrently, single_event
from tests.support.users import CLIENT_IP, OTHER_IP, Mailbox, TestUser, bearer, forwarded_for

from flaskauth.core import clock
from flaskauth.mfa.models import TotpFactor
from flaskauth.sessions.models import Session

TOO_MANY = (422, "validation_failed")


def test_totp_enrolment_returns_secret_uri_and_qr_code(make_app: MakeApp) -> None:
    user = MfaUser.create(make_app(APP_NAME="Acme: Shop"), enrols=False)
    body = user.start_enrolment("Phone")
    uri = urlsplit(body["uri"])

    assert len(b32decode(body["secret"])) == 20
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert parse_qs(uri.query) == {"secret": [body["secret"]], "issuer": ["Acme Shop"]}
    assert body["qr_svg"].startswith("<svg ")
    assert "#fff" in body["qr_svg"]
    assert user.overview()["totp"] == []


def test_totp_confirmation_turns_mfa_on(app: Flask) -> None:
    user = MfaUser.create(app)
    overview = user.overview()

    assert overview["mfa_enabled"] is True
    assert [(factor["id"], factor["name"]) for factor in overview["totp"]] == [(user.factor_id, "Phone")]
    assert len(set(user.recovery_codes)) == overview["recovery_codes_left"] == 10
    assert single_event(app, "totp_enrolled").user_id == single_event(app, "mfa_changed").user_id
    assert single_event(app, "recovery_codes_created").user_id is not None
    [mail] = [mail for mail in Mailbox(app).wait(2) if "second factor" in mail["subject"]]
    assert "Phone" in mail["text"]
    assert "/auth/report-sign-in#" in mail["text"]


def test_unconfirmed_totp_is_not_required(app: Flask) -> None:
    user = MfaUser.create(app, enrols=False)
    user.start_enrolment()

    assert user.login().status_code == 200


def test_totp_enrolment_twice_returns_same_factor(app: Flask) -> None:
    user = MfaUser.create(app, enrols=False)
    first, second = user.start_enrolment("Phone"), user.start_enrolment("Tablet")

    assert (first["id"], first["secret"]) == (second["id"], second["secret"])
    assert len(query_all(app, select(TotpFactor.id))) == 1
    assert user.confirm().status_code == 200
    assert [factor["name"] for factor in user.overview()["totp"]] == ["Tablet"]


def test_totp_enrolment_expires_after_fifteen_minutes(make_app: MakeApp) -> None:
    user = MfaUser.create(make_app(JWT_DURATION="60"), enrols=False)
    first = user.start_enrolment()
    clock.travel(timedelta(minutes=15, seconds=1))
    user.token = user.reauthenticate().get_json()["token"]

    assert error_of(user.confirm()) == NOT_FOUND
    assert user.start_enrolment()["secret"] != first["secret"]


def test_totp_confirmation_twice_succeeds_once(app: Flask) -> None:
    user = MfaUser.create(app)

    assert error_of(user.confirm()) == NOT_FOUND


def test_totp_confirmation_code_cannot_sign_in(app: Flask) -> None:
    user = MfaUser.create(app, enrols=False)
    user.start_enrolment()
    otp = user.otp()
    user.confirm(otp)

    assert error_of(user.send_factor(user.challenge(), otp=otp)) == INVALID_CODE


def otps(user: MfaUser) -> list[str]:
    return [user.otp(steps) for steps in range(-25, 26)]


def test_totp_confirmation_with_wrong_clock_has_offset(app: Flask) -> None:
    user = MfaUser.create(app, enrols=False)
    user.start_enrolment()
    wrong_by = (-4, 6, 20)
    while any(otps(user).count(user.otp(steps)) > 1 for steps in wrong_by):  # another step has the same code
        clock.travel(STEP)
    for steps in wrong_by:
        response = user.confirm(user.otp(steps))
        assert error_of(response) == INVALID_CODE
        assert response.get_json()["clock_offset"] == steps * 30
        assert response.get_json()["message"].startswith("The clock of your device is wrong.")


def test_totp_confirmation_allows_five_attempts(app: Flask) -> None:
    user = MfaUser.create(app, enrols=False)
    first = user.start_enrolment()
    responses = [user.confirm(wrong_otp(user)) for _ in range(5)]

    assert {error_of(response) for response in responses} == {INVALID_CODE}
    assert not [response for response in responses if "clock_offset" in response.get_json()]
    ended = user.confirm()
    assert error_of(ended) == NOT_FOUND
    assert "Add it again" in ended.get_json()["message"]
    assert user.start_enrolment()["secret"] != first["secret"]
    assert user.confirm().status_code == 200


def test_totp_confirmation_in_parallel_succeeds_once(app: Flask) -> None:
    """More right codes than the attempts that an app has."""
    user = MfaUser.create(app)
    user.start_enrolment("Tablet")
    path, body = f"/users/factors/totp/{user.factor_id}/confirm", {"otp": user.otp()}
    headers = {**bearer(user.token), **forwarded_for(CLIENT_IP)}
    requests = [lambda: app.test_client().post(path, json=body, headers=headers)] * 20
    responses = Counter(response.status_code for response in run_concurrently(requests))

    assert responses[200] == 1
    assert set(responses) <= {200, 401, 404, 422}
    assert len(user.overview()["totp"]) == 2


def test_totp_confirmation_in_other_session_is_not_found(app: Flask) -> None:
    """The link that reports a session must not undo the changes of an older one."""
    user = MfaUser.create(app, enrols=False)
    user.start_enrolment()
    token, user.token = user.token, user.login().get_json()["token"]
    for _ in range(6):  # nor does it use up the attempts
        assert error_of(user.confirm()) == NOT_FOUND

    user.token = token
    assert user.confirm().status_code == 200


def test_totp_confirmation_of_other_user_is_not_found(app: Flask) -> None:
    user, other = MfaUser.create(app, enrols=False), MfaUser.create(app, "ada@example.com", enrols=False)
    user.start_enrolment()
    path = f"/totp/{user.factor_id}"

    assert error_of(other.call("POST", f"{path}/confirm", {"otp": user.otp()})) == NOT_FOUND
    assert user.confirm().status_code == 200
    assert error_of(other.call("DELETE", path)) == error_of(other.call("PATCH", path, {"name": "x"})) == NOT_FOUND
    assert error_of(user.call("DELETE", "/totp/9999999999999999999")) == NOT_FOUND


def test_totp_third_factor_is_rejected(app: Flask) -> None:
    user = MfaUser.create(app)
    user.enrol("Tablet")

    assert error_of(user.call("POST", "/totp", {"name": "Watch"})) == TOO_MANY
    assert len(user.overview()["totp"]) == 2


def test_first_totp_revokes_other_sessions(app: Flask) -> None:
    user = MfaUser.create(app, enrols=False)
    other = TestUser(user.client, user.email).login_ok(at=OTHER_IP)
    user.enrol()
    active = query_all(app, select(func.count()).select_from(Session).where(Session.revoked_at.is_(None)))

    assert active == [1]
    refreshed = user.client.post("/auth/refresh", json={"refresh_token": other["refresh_token"]})
    assert error_of(refreshed) == (401, "invalid_refresh_token")
    assert user.call("GET", "").status_code == 200


def test_second_totp_keeps_other_sessions(app: Flask) -> None:
    user = MfaUser.create(app)
    first = user.token
    user.sign_in()
    user.enrol("Tablet")

    assert user.call("GET", "", token=first).status_code == 200
    assert len(audit_events(app, "recovery_codes_created")) == 1


def test_totp_is_renamed(app: Flask) -> None:
    user = MfaUser.create(app)

    assert user.call("PATCH", f"/totp/{user.factor_id}", {"name": " Work phone "}).status_code == 200
    assert user.overview()["totp"][0]["name"] == "Work phone"
    assert single_event(app, "totp_renamed").user_id is not None


def test_totp_name_that_is_unsafe_is_rejected(app: Flask) -> None:
    user = MfaUser.create(app, enrols=False)

    for name in ("", " ", "a" * 65, "<b>", "https://example.com", "a\nb", "a\u202eb", 5, None):
        assert error_of(user.call("POST", "/totp", {"name": name})) == (422, "validation_failed"), name


def test_removed_last_totp_turns_mfa_off(app: Flask) -> None:
    user = MfaUser.create(app)
    other = user.token
    user.sign_in()
    assert user.call("DELETE", f"/totp/{user.factor_id}").status_code == 200
    overview = user.overview()

    assert (overview["mfa_enabled"], overview["totp"], overview["recovery_codes_left"]) == (False, [], 0)
    assert user.call("GET", "", token=other).status_code == 401
    assert user.login().status_code == 200
    assert single_event(app, "totp_removed").session_id == audit_events(app, "mfa_changed")[-1].session_id
    assert error_of(user.call("DELETE", f"/totp/{user.factor_id}")) == NOT_FOUND
    removed = [mail for mail in Mailbox(app).wait(3) if "removed" in mail["subject"]]
    assert "no longer require" in removed[0]["text"]


def test_removed_totp_verifies_nothing(app: Flask) -> None:
    user = MfaUser.create(app)
    removed_id, removed_secret = user.factor_id, user.secret
    user.enrol("Tablet")
    user.call("DELETE", f"/totp/{removed_id}")
    removed = replace(user, secret=removed_secret)
    while removed.otp() in accepted_otps(user):
        clock.travel(STEP)

    assert error_of(removed.send_factor(removed.challenge())) == INVALID_CODE
    assert user.overview()["mfa_enabled"] is True


FACTOR_CHANGES: list[tuple[str, str, object]] = [
    ("POST", "/totp", {"name": "Phone"}),
    ("POST", "/totp/1/confirm", {"otp": "123456"}),
    ("PATCH", "/totp/1", {"name": "Phone"}),
    ("DELETE", "/totp/1", None),
    ("POST", "/recovery-codes", None),
    ("PUT", "/mfa", {"enabled": False}),
    ("DELETE", "/remembered", None),
]


def test_factor_change_with_stale_token_is_rejected(app: Flask) -> None:
    """A refreshed token is not fresh."""
    user = MfaUser.create(app, enrols=False)
    refreshed = user.client.post("/auth/refresh", json={"refresh_token": user.refresh_token}).get_json()["token"]

    for method, path, body in FACTOR_CHANGES:
        assert error_of(user.call(method, path, body, refreshed)) == REAUTHENTICATION_REQUIRED, path


def test_mfa_is_turned_off_and_on(app: Flask) -> None:
    user = MfaUser.create(app)
    assert user.call("PUT", "/mfa", {"enabled": False}).status_code == 200
    assert user.login().status_code == 200
    assert len(user.overview()["totp"]) == 1

    assert user.call("PUT", "/mfa", {"enabled": True}).status_code == 200
    assert user.login().status_code == 401
    assert len(audit_events(app, "mfa_changed")) == 3


def test_mfa_on_without_factor_is_rejected(app: Flask) -> None:
    user = MfaUser.create(app, enrols=False)
    response = user.call("PUT", "/mfa", {"enabled": True})

    assert response.get_json()["errors"] == {"enabled": ["Add a second factor first."]}
    assert error_of(user.call("PUT", "/mfa", {"enabled": "true"})) == (422, "validation_failed")


def test_password_token_is_not_fresh_after_mfa_is_turned_on(app: Flask) -> None:
    """The password was proven before MFA was on: a token of it changes no factor."""
    user = MfaUser.create(app)
    user.call("PUT", "/mfa", {"enabled": False})
    user.token = user.login().get_json()["token"]
    assert user.call("PUT", "/mfa", {"enabled": True}).status_code == 200

    assert error_of(user.call("DELETE", f"/totp/{user.factor_id}")) == REAUTHENTICATION_REQUIRED


def test_undecryptable_totp_is_not_offered(app: Flask) -> None:
    user = MfaUser.create(app)
    execute_statement(app, update(TotpFactor).values(encrypted_secret=b"\0" * 64))
    response = user.login()

    assert response.get_json()["factors"] == ["recovery_code"]
    assert single_event(app, "totp_undecryptable").user_id is not None
    challenge = response.get_json()["challenge_token"]
    assert user.send_factor(challenge, recovery_code=user.recovery_codes[0]).status_code == 200
