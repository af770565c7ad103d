"""The pages /sign-in, /sign-in/second-factor and /sign-out, and the cookie of the session."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from tests.conftest import SECRET, MakeApp
from tests.mfa.helpers import MfaUser
from tests.support.inspect import single_event
from tests.support.users import PASSWORD, UserFactory, bearer
from tests.web.helpers import EMAIL, Browser, signed_in

from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.sessions.models import Session

NEW_SECRET = "w8Rk2Lp5Xc7Vb3Nm"


def test_sign_in_page_sets_session_cookie(app: Flask) -> None:
    browser = signed_in(app)

    assert browser.page.headers["Location"] == "/account"
    cookie = next(item for item in browser.page.headers.getlist("Set-Cookie") if item.startswith("flaskauth="))
    assert "Expires" not in cookie
    assert "Max-Age" not in cookie
    assert browser.client.get("/account").status_code == 200


@pytest.mark.parametrize("has_second_step", [False, True], ids=["password", "second step"])
def test_stay_keeps_the_cookie_until_the_session_expires(app: Flask, has_second_step: bool) -> None:
    user = MfaUser.create(app) if has_second_step else UserFactory(app).create_verified()
    browser = Browser(app)
    browser.sign_in(stay="1")
    if isinstance(user, MfaUser):
        browser.post("/sign-in/second-factor", otp=user.otp())

    cookie = browser.client.get_cookie("flaskauth")

    assert cookie
    with app.app_context():
        expires_at = db.session.get_one(Session, int(cookie.value.partition(".")[0])).expires_at
    assert (cookie.expires, cookie.max_age) == (expires_at.replace(microsecond=0), None)


def test_sign_in_page_with_wrong_password_is_422(app: Flask) -> None:
    UserFactory(app).create_verified()
    browser = Browser(app)

    page = browser.sign_in("wrong horse battery")

    assert page.status_code == 422
    assert "Invalid email or password" in page.text
    assert 'href="/verify"' in page.text
    assert "wrong horse" not in page.text
    assert browser.cookie("flaskauth") == ""


def test_sign_in_page_of_signed_in_user_redirects(app: Flask) -> None:
    browser = signed_in(app)

    assert browser.client.get("/sign-in?return_to=/shop").headers["Location"] == "/shop"


def test_sign_in_page_recognises_the_device_again(app: Flask) -> None:
    browser = signed_in(app)
    token = browser.cookie("flaskauth-device")
    browser.submit("/sign-out")

    browser.sign_in()

    assert browser.cookie("flaskauth-device") == token != ""


def test_sign_out_page_revokes_session_and_keeps_device(app: Flask) -> None:
    browser = signed_in(app)
    old_cookie = browser.cookie("flaskauth")

    response = browser.post("/sign-out")

    assert (response.status_code, response.headers["Location"]) == (303, "/sign-in")
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert (browser.cookie("flaskauth"), browser.cookie("flaskauth-device") != "") == ("", True)
    browser.client.set_cookie("flaskauth", old_cookie)
    assert browser.client.get("/account").headers["Location"] == "/sign-in?return_to=%2Faccount"
    assert "You are signed out." in browser.open("/sign-in").text
    assert "You are signed out." not in browser.open("/sign-in").text
    single_event(app, "signed_out")


def test_sign_out_page_with_get_changes_nothing(app: Flask) -> None:
    browser = signed_in(app)

    assert "Sign out of this browser?" in browser.open("/sign-out").text
    assert browser.client.get("/account").status_code == 200


def test_sign_out_page_without_session_links_to_sign_in(app: Flask) -> None:
    page = app.test_client().get("/sign-out")

    assert (page.status_code, "You are signed out." in page.text) == (200, True)
    assert '<a href="/sign-in">Sign in</a>' in page.text
    assert "<form" not in page.text


def test_session_cookie_is_ignored_by_the_api(app: Flask) -> None:
    browser = signed_in(app)
    cookie = browser.cookie("flaskauth")

    assert browser.client.get("/users/profile").status_code == 401
    assert browser.client.post("/auth/logout", json={}).status_code == 401
    assert browser.client.get("/users/profile", headers=bearer(cookie)).status_code == 401


def test_altered_session_cookie_is_ignored(app: Flask) -> None:
    browser = signed_in(app)
    session_id, fresh, kept, mac = browser.cookie("flaskauth").split(".")
    altered = (
        *(f"{int(session_id) + 1}.{fresh}.{kept}.{mac}", f"{session_id}.{int(fresh) + 600}.{kept}.{mac}"),
        *(
            f"{session_id}.{fresh}.1.{mac}",
            f"{session_id}.{fresh}.{kept}.{mac[:-2]}AA",
            f"{session_id}.{fresh}.{kept}.",
        ),
        *(
            f"{session_id}.{fresh}.{kept}.",
            f"{session_id}.{kept}.{mac}",
            f"{session_id}.٣.0.{mac}",
            "x",
            "....",
            "9" * 200,
            f"{'9' * 17}.0.0.{mac}",
        ),
    )

    for value in altered:
        browser.client.set_cookie("flaskauth", value)
        assert browser.client.get("/account").status_code == 303, value


def test_session_cookie_survives_a_rotated_secret_key(make_app: MakeApp) -> None:
    app, rotated = make_app(), make_app(SECRET_KEY=NEW_SECRET * 2, SECRET_KEY_FALLBACKS=SECRET)
    replaced = make_app(SECRET_KEY=NEW_SECRET * 2)
    cookie = signed_in(app).cookie("flaskauth")

    statuses = []
    for node in (rotated, replaced):
        browser = Browser(node)
        browser.client.set_cookie("flaskauth", cookie)
        statuses.append(browser.client.get("/account").status_code)

    assert statuses == [200, 303]


def test_session_cookie_of_expired_session_is_ignored(app: Flask) -> None:
    browser = signed_in(app)

    clock.travel(timedelta(days=15))

    assert browser.client.get("/account").status_code == 303


def test_page_session_in_use_stays_active_beyond_idle_timeout(app: Flask) -> None:
    browser = signed_in(app)

    for _ in range(3):
        clock.travel(timedelta(days=9))
        assert browser.client.get("/account").status_code == 200


def test_page_session_in_use_is_written_every_5_minutes(app: Flask) -> None:
    browser = signed_in(app)
    times = [_last_used(app)]
    for minutes in (4, 2, 4):
        clock.travel(timedelta(minutes=minutes))
        browser.open("/account")
        times.append(_last_used(app))

    assert times[0] == times[1] < times[2] == times[3]


def test_public_page_after_a_write_does_not_extend_the_session(app: Flask) -> None:
    browser = signed_in(app)
    clock.travel(timedelta(minutes=6))

    assert browser.sign_in("wrong horse battery").status_code == 422
    assert browser.open("/account").status_code == 200


def test_second_factor_page_completes_sign_in(app: Flask) -> None:
    user = MfaUser.create(app)
    browser = Browser(app)

    response = browser.sign_in(return_to="/shop")

    assert response.headers["Location"] == "/sign-in/second-factor"
    assert browser.client.get("/account").status_code == 303
    page = browser.open("/sign-in/second-factor").text
    assert 'autocomplete="one-time-code"' in page
    assert 'inputmode="numeric"' in page
    assert f'value="{EMAIL}" autocomplete="username"' in page
    assert browser.post("/sign-in/second-factor", otp=user.otp()).headers["Location"] == "/shop"
    assert browser.client.get("/account").status_code == 200


def test_second_factor_page_with_wrong_code_can_be_repeated(app: Flask) -> None:
    user = MfaUser.create(app)
    browser = Browser(app)
    browser.sign_in()

    page = browser.post("/sign-in/second-factor", otp="000000")

    assert (page.status_code, "000000" in page.text) == (422, False)
    assert browser.post("/sign-in/second-factor", otp=user.otp()).status_code == 303


def test_second_factor_page_accepts_recovery_code(app: Flask) -> None:
    user = MfaUser.create(app)
    browser = Browser(app)
    browser.sign_in()

    page = browser.open("/sign-in/second-factor?method=recovery_code").text

    assert 'name="recovery_code"' in page
    assert 'inputmode="numeric"' not in page
    assert browser.post("/sign-in/second-factor", recovery_code=user.recovery_codes[0].lower()).status_code == 303


def test_rejected_form_does_not_repeat_secrets(app: Flask) -> None:
    MfaUser.create(app)
    browser = Browser(app)
    browser.sign_in()
    secret = "GHJK-BCDF-MNPQ-RSTV"

    for name, method in (("recovery_code", "recovery_code"), ("otp", "otp"), ("passkey", "passkey")):
        value = f'{{"id": "{secret}"}}' if name == "passkey" else secret
        page = browser.post("/sign-in/second-factor", method=method, **{name: value})
        assert (page.status_code, secret in page.text) == (422, False), name


def test_second_factor_page_remembers_the_device(app: Flask) -> None:
    user = MfaUser.create(app)
    browser = Browser(app)
    browser.sign_in()
    browser.submit("/sign-in/second-factor", otp=user.otp(), remember_device="1")
    browser.submit("/sign-out")

    assert browser.sign_in().headers["Location"] == "/account"


@pytest.mark.parametrize("step", ["", "x.y", "e30.AAAA"])
def test_second_factor_page_without_first_step_starts_again(app: Flask, step: str) -> None:
    MfaUser.create(app)
    browser = Browser(app)
    browser.client.set_cookie("flaskauth-step", step)

    assert browser.client.get("/sign-in/second-factor").headers["Location"] == "/sign-in"
    assert browser.post("/sign-in/second-factor", otp="123456").headers["Location"] == "/sign-in"
    assert "This sign-in has expired." in browser.open("/sign-in").text


def test_second_factor_page_after_five_wrong_codes_starts_again(app: Flask) -> None:
    MfaUser.create(app)
    browser = Browser(app)
    browser.sign_in()

    statuses = [browser.post("/sign-in/second-factor", otp="000000").status_code for _ in range(6)]

    assert statuses == [422] * 5 + [303]


def test_leaving_second_factor_page_opens_nothing(app: Flask) -> None:
    MfaUser.create(app)
    browser = Browser(app)
    browser.sign_in()

    assert browser.client.get("/account").status_code == 303
    assert browser.open("/sign-in").status_code == 200
    assert PASSWORD not in browser.cookie("flaskauth-step")


def _last_used(app: Flask) -> datetime:
    with app.app_context():
        return db.session.scalars(select(Session.last_used_at)).one()
