"""Rotation of SECRET_KEY with SECRET_KEY_FALLBACKS while sessions and codes are in use."""

from datetime import timedelta

import pytest
from flask import Flask
from tests.conftest import SECRET, MakeApp
from tests.sessions.helpers import INVALID_REFRESH_TOKEN, SessionClient
from tests.signing_keys.helpers import is_signature_valid
from tests.support.inspect import error_of, single_event
from tests.support.users import CLIENT_IP, Mailbox, UserFactory, code_in_mail, forwarded_for

from flaskauth.core import clock

NEXT_SECRET = "v8Lw2nQzR5yTs0Xc7Jb4Hd1Gf6Kp9MaE"
ROTATED_SECRET = {"SECRET_KEY": NEXT_SECRET, "SECRET_KEY_FALLBACKS": SECRET}


def test_tokens_of_fallback_secret_stay_valid(app: Flask, make_app: MakeApp) -> None:
    session, rotated_app = SessionClient.for_new_user(app), make_app(**ROTATED_SECRET)
    assert session.profile_status(app=rotated_app) == 200
    next_token = session.post_refresh(session.refresh_token, app=rotated_app).get_json()["refresh_token"]

    assert session.post_refresh(session.refresh_token, app=rotated_app).get_json()["refresh_token"] == next_token
    assert session.post_refresh(next_token, app=rotated_app).status_code == 200


def test_refresh_reuse_of_fallback_secret_is_detected(app: Flask, make_app: MakeApp) -> None:
    session, rotated_app = SessionClient.for_new_user(app), make_app(**ROTATED_SECRET)
    first = session.refresh_token
    session.refresh()
    session.refresh()

    assert error_of(session.post_refresh(first, app=rotated_app)) == INVALID_REFRESH_TOKEN
    assert single_event(rotated_app, "refresh_token_reused").session_id == session.session_id


@pytest.mark.parametrize("method", ["verification_id", "email", "neither"])
def test_otp_mailed_before_rotation_stays_valid(
    users: UserFactory, mailbox: Mailbox, make_app: MakeApp, method: str
) -> None:
    verification_id = users.register()
    identifiers = {"verification_id": verification_id, "email": "grace@example.com"}
    body = {
        "otp": mailbox.code("grace@example.com"),
        **{name: value for name, value in identifiers.items() if name == method},
    }
    client = make_app(**ROTATED_SECRET).test_client()

    assert client.post("/auth/verify", json=body, headers=forwarded_for(CLIENT_IP)).status_code == 200


def test_otp_resent_after_rotation_is_unchanged(users: UserFactory, mailbox: Mailbox, make_app: MakeApp) -> None:
    verification_id = users.register()
    code, rotated_app = mailbox.code("grace@example.com"), make_app(**ROTATED_SECRET)
    clock.travel(timedelta(minutes=2))
    body = {"verification_id": verification_id}
    assert (
        rotated_app.test_client().post("/auth/resend", json=body, headers=forwarded_for(CLIENT_IP)).status_code == 200
    )

    first, second = Mailbox(rotated_app).wait(2)
    assert [code_in_mail(first), code_in_mail(second)] == [code, code]
    response = rotated_app.test_client().post(
        "/auth/verify", json={"otp": code_in_mail(second)}, headers=forwarded_for(CLIENT_IP)
    )
    assert response.status_code == 200


def test_tokens_of_removed_secret_are_rejected(app: Flask, make_app: MakeApp) -> None:
    session = SessionClient.for_new_user(app)
    next_token = session.post_refresh(session.refresh_token, app=make_app(**ROTATED_SECRET)).get_json()["refresh_token"]
    final_app = make_app(SECRET_KEY=NEXT_SECRET)

    assert error_of(session.post_refresh(session.refresh_token, app=final_app)) == INVALID_REFRESH_TOKEN
    assert session.post_refresh(next_token, app=final_app).status_code == 200


def test_signing_keys_are_reencrypted_after_rotation(app: Flask, make_app: MakeApp) -> None:
    session = SessionClient.for_new_user(app)
    make_app(**ROTATED_SECRET)
    final_app = make_app(SECRET_KEY=NEXT_SECRET)

    assert session.profile_status(app=final_app) == 200
    assert is_signature_valid(session.token, final_app.test_client().get("/.well-known/jwks.json").get_json())
