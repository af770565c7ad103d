"""The pages below /account: profile, avatar, email, password, sessions, activity, export and deletion."""

import io
import json
import re
from datetime import timedelta

import pytest
from flask import Flask
from markupsafe import escape
from PIL import Image
from tests.avatars.sample_images import MEGABYTE, multipart_form
from tests.conftest import MakeApp
from tests.mfa.helpers import MfaUser
from tests.support.inspect import single_event
from tests.support.route_catalog import example_path, is_page
from tests.support.users import PASSWORD, Mailbox, UserFactory
from tests.web.helpers import EMAIL, SAME_ORIGIN, Browser, signed_in

from flaskauth.audit import EVENTS
from flaskauth.core import clock
from flaskauth.web.event_texts import EVENT_TEXTS

NEW_PASSWORD = "nine purple ladders"
HOSTILE_NAMES = ("{{7*7}}", "{% raw %}", "&lt;b&gt;", "O'\"Brien", "${1}", "\u0627\u0644\u0627\u0633\u0645")
FRESH = timedelta(minutes=11)
EVENTS_WITHOUT_READER = {  # of no user, or of an erased one
    *("registration_started", "sign_in_rate_exceeded", "breach_check_failed", "users_imported", "account_erased"),
    *("signing_key_created", "signing_keys_revoked", "mail_rejected", "mail_not_rendered"),
}


def account_paths(app: Flask, method: str) -> list[str]:
    """Return the paths that require a session, without those of single factors and sessions."""
    rules = [rule for rule in app.url_map.iter_rules() if is_page(rule) and method in (rule.methods or ())]
    return [
        rule.rule
        for rule in rules
        if getattr(app.view_functions[rule.endpoint], "access", "") == "guarded" and "<" not in rule.rule
    ]


def test_account_page_without_session_redirects_to_sign_in(app: Flask) -> None:
    browser = Browser(app)
    pages, forms = account_paths(app, "GET"), account_paths(app, "POST")

    assert len(pages) > 10
    for path in pages:
        expected = f"/sign-in?return_to={path.replace('/', '%2F')}"
        assert browser.client.get(path).headers["Location"] == expected, path
    for path in forms:
        assert browser.post(path).headers["Location"] == "/sign-in?return_to=%2Faccount", path


def test_account_page_after_sign_in_returns_to_it(app: Flask) -> None:
    UserFactory(app).create_verified()
    browser = Browser(app)
    browser.open("/account/activity?cursor=9007199254740991")

    form = re.search(r'name="return_to" value="([^"]+)"', browser.page.text)

    assert form
    assert browser.sign_in(return_to=form[1]).headers["Location"] == "/account/activity?cursor=9007199254740991"


def test_every_account_page_opens(app: Flask) -> None:
    browser = signed_in(app)
    for path in [*account_paths(app, "GET"), "/account/activity?cursor=1"]:
        assert browser.open(path).status_code == 200, path
        assert "<h1" in browser.page.text, path
        assert 'action="/sign-out"' in browser.page.text, path


def test_profile_page_changes_names_country_and_language(app: Flask) -> None:
    browser = signed_in(app)

    browser.submit("/account/profile", first_name="Ada", last_name="", country="NG", locale="fr")

    assert "Vos modifications sont enregistrées." in browser.page.text
    assert 'value="Ada"' in browser.page.text
    assert 'value="NG" selected' in browser.page.text
    assert '<html lang="fr"' in browser.open("/account").text
    single_event(app, "profile_edited")


def test_profile_page_with_empty_first_name_is_422(app: Flask) -> None:
    browser = signed_in(app)

    page = browser.post("/account/profile", first_name="", last_name="Hopper", locale="en")

    assert page.status_code == 422
    assert '<a href="#first_name">First name: Must be 1 to 100 characters long.</a>' in page.text
    assert 'name="first_name" type="text" autocomplete="given-name" maxlength="100" value="Grace"' in page.text


def test_profile_page_keeps_the_region_of_a_language(app: Flask) -> None:
    UserFactory(app).create_verified(locale="pt-BR")
    browser = Browser(app)
    browser.sign_in()

    browser.submit("/account/profile", first_name="Ada", last_name="", locale="pt")

    token = UserFactory(app).client.post("/auth/login", json={"email": EMAIL, "password": PASSWORD}).get_json()["token"]
    export = app.test_client().get("/users/export", headers={"Authorization": f"Bearer {token}"}).get_json()
    assert export["profile"]["locale"] == "pt-BR"


def test_hostile_names_are_inert_on_every_page(app: Flask) -> None:
    browser = signed_in(app)
    for name in HOSTILE_NAMES:
        assert browser.post("/account/profile", first_name=name, last_name="").status_code == 303, name
        for path in ("/account", "/account/profile"):
            assert str(escape(name)) in browser.open(path).text, (path, name)
    for name in ("<svg onload=alert(1)>", "a\u202eb", "a\u2066b"):
        assert browser.post("/account/profile", first_name=name, last_name="").status_code == 422


def test_avatar_page_uploads_and_removes_an_image(app: Flask) -> None:
    browser = signed_in(app)
    image = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(image, "PNG")

    browser.submit("/account/avatar", avatar=(io.BytesIO(image.getvalue()), "a.png"))

    assert re.search(r'<img src="http://localhost:5000/avatars/[^"]+"', browser.page.text)
    assert browser.post("/account/avatar", avatar=(io.BytesIO(b"no image"), "a.png")).status_code == 422
    assert 'id="avatar-error"' in browser.page.text
    assert "Your avatar was removed." in browser.submit("/account/avatar/remove").text


@pytest.mark.parametrize("size", [5 * MEGABYTE + 1, 6 * MEGABYTE])
def test_avatar_page_with_too_large_file_shows_the_form(app: Flask, size: int) -> None:
    browser = signed_in(app)
    body, content_type = multipart_form(("avatar", "a.png", bytes(size)))

    page = browser.client.post("/account/avatar", data=body, content_type=content_type, headers=SAME_ORIGIN)

    assert page.status_code == 422
    assert '<a href="#avatar">The file is larger than 5 MB.</a>' in page.text


def test_email_page_changes_the_address(app: Flask, mailbox: Mailbox) -> None:
    browser = signed_in(app)

    browser.submit("/account/email", email="new@example.com")
    assert 'value="new@example.com"' in browser.page.text
    assert browser.post("/account/email/verify", otp="BCDF-2345").status_code == 422
    browser.submit("/account/email/verify", otp=mailbox.code("new@example.com"))

    assert "Your email address was changed." in browser.page.text
    assert "new@example.com" in browser.page.text


def test_email_page_with_current_address_is_422(app: Flask) -> None:
    page = signed_in(app).post("/account/email", email=EMAIL)

    assert (page.status_code, "This is already your email address." in page.text) == (422, True)


def test_password_page_changes_password_and_keeps_session(app: Flask) -> None:
    browser = signed_in(app)
    other = Browser(app)
    other.sign_in()

    page = browser.post("/account/password", current_password="wrong", password=NEW_PASSWORD)
    assert (page.status_code, "This is not your password." in page.text) == (422, True)
    browser.submit("/account/password", current_password=PASSWORD, password=NEW_PASSWORD)

    assert "Your password was changed." in browser.page.text
    assert other.client.get("/account").status_code == 303
    assert Browser(app).sign_in(NEW_PASSWORD).status_code == 303


def test_sensitive_pages_require_confirmation_and_return(app: Flask) -> None:
    browser = signed_in(app)
    clock.travel(FRESH)
    for path in ("/account/email", "/account/mfa", "/account/passkeys", "/account/export", "/account/delete"):
        location = f"/account/confirm?return_to={path.replace('/', '%2F')}"
        assert browser.client.get(path).headers["Location"] == location
    for path in ("/account/email", "/account/mfa/on", "/account/mfa/apps", "/account/passkeys", "/account/export"):
        assert browser.post(path).headers["Location"] == "/account/confirm?return_to=%2Faccount", path

    browser.open("/account/email")
    assert 'autocomplete="current-password"' in browser.page.text
    assert browser.post("/account/confirm", password="wrong", return_to="/account/email").status_code == 422
    response = browser.post("/account/confirm", password=PASSWORD, return_to="/account/email")

    assert response.headers["Location"] == "/account/email"
    assert browser.open("/account/email").request.path == "/account/email"


def test_every_form_requires_confirmation_but_listed_ones(app: Flask) -> None:
    """The forms in the list change nothing sensitive, ask for a secret themselves, or have a test of their own."""
    browser = signed_in(app)
    clock.travel(FRESH)
    rules = [rule for rule in app.url_map.iter_rules() if is_page(rule) and "POST" in (rule.methods or ())]

    open_forms = {
        rule.rule.removeprefix("/account/")
        for rule in rules
        if rule.rule.startswith("/account/")
        and "/account/confirm" not in browser.post(example_path(rule)).headers.get("Location", "")
    }

    without_secret = {"avatar", "avatar/remove", "delete/restore", "profile"}
    assert open_forms == without_secret | {"confirm", "email/verify", "password"}


def test_confirmation_keeps_a_kept_cookie(app: Flask) -> None:
    UserFactory(app).create_verified()
    browser = Browser(app)
    browser.sign_in(stay="1")

    cookies = browser.post("/account/confirm", password=PASSWORD).headers.getlist("Set-Cookie")

    assert "Expires" in next(cookie for cookie in cookies if cookie.startswith("flaskauth="))


def test_form_without_fresh_session_returns_to_its_page(app: Flask) -> None:
    browser = signed_in(app)
    clock.travel(FRESH)
    headers = {**SAME_ORIGIN, "Referer": "http://localhost:5000/account/sessions"}

    response = browser.send("/account/sessions/end-others", headers, {})
    foreign = browser.send("/account/sessions/end-others", {**headers, "Referer": "http://localhost:5000.evil/x"}, {})

    assert response.headers["Location"] == "/account/confirm?return_to=%2Faccount%2Fsessions"
    assert foreign.headers["Location"] == "/account/confirm?return_to=%2Faccount"


def test_confirmation_with_mfa_requires_a_code(app: Flask) -> None:
    user = MfaUser.create(app)
    browser = Browser(app)
    browser.sign_in()
    browser.submit("/sign-in/second-factor", otp=user.otp())
    clock.travel(FRESH)

    assert 'name="otp"' in browser.open("/account/mfa").text
    assert browser.post("/account/confirm", password=PASSWORD).status_code == 422
    assert browser.post("/account/confirm", password=PASSWORD, otp=user.otp()).status_code == 303
    assert browser.client.get("/account/mfa").status_code == 200


def test_sessions_page_ends_other_sessions(app: Flask) -> None:
    browser = signed_in(app)
    others = [Browser(app), Browser(app)]
    for other in others:
        other.sign_in()

    text = browser.open("/account/sessions").text
    session_id = re.search(r'action="/account/sessions/(\d+)/end"', text)

    assert session_id
    assert text.count("This browser") == 1
    browser.submit(f"/account/sessions/{session_id[1]}/end")
    assert sum(other.client.get("/account").status_code == 200 for other in others) == 1
    browser.submit("/account/sessions/end-others")
    assert [other.client.get("/account").status_code for other in others] == [303, 303]
    assert "No other device is signed in." in browser.page.text


def test_sessions_page_cannot_end_the_session_of_another_user(app: Flask) -> None:
    browser = signed_in(app)
    UserFactory(app).create_verified("other@example.com")
    other = Browser(app)
    other.post("/sign-in", email="other@example.com", password=PASSWORD)

    browser.submit(f"/account/sessions/{other.cookie('flaskauth').partition('.')[0]}/end")

    assert other.client.get("/account").status_code == 200


def test_activity_page_lists_events_in_plain_words(app: Flask) -> None:
    browser = signed_in(app)
    for _ in range(25):
        browser.post("/account/profile", first_name="Ada", last_name="")

    text = browser.open("/account/activity").text

    assert "Profile changed" in text
    older = re.search(r'href="(/account/activity\?cursor=\d+)" rel="next"', text)
    assert older
    assert "Signed in" in browser.open(older[1]).text
    assert "profile_edited" not in text
    assert browser.client.get("/account/activity?cursor=x").status_code == 422


def test_every_event_of_a_user_has_a_text() -> None:
    assert set(EVENTS) - set(EVENT_TEXTS) == EVENTS_WITHOUT_READER


def test_export_page_downloads_the_data(app: Flask) -> None:
    response = signed_in(app).post("/account/export")

    assert response.headers["Content-Disposition"] == 'attachment; filename="account.json"'
    assert json.loads(response.text)["profile"]["email"] == EMAIL


def test_delete_page_schedules_deletion_and_restores(app: Flask) -> None:
    browser = signed_in(app)

    assert browser.post("/account/delete").status_code == 422
    assert '<a href="#understood">Tick the box to confirm.</a>' in browser.page.text
    browser.submit("/account/delete", understood="1")
    assert "Your account will be deleted." in browser.page.text
    assert browser.cookie("flaskauth") == ""
    browser.sign_in()
    assert browser.open("/account").request.path == "/account/delete"
    assert browser.open("/account/profile").request.path == "/account/delete"
    assert 'class="back"' not in browser.page.text  # every other page leads here
    browser.submit("/account/delete/restore")

    assert "Your account is restored." in browser.page.text
    assert browser.open("/account").request.path == "/account"


def test_deletion_is_cancelled_without_a_required_factor(make_app: MakeApp) -> None:
    browser = signed_in(make_app())
    browser.post("/account/delete", understood="1")
    browser = Browser(make_app(SECOND_FACTOR="required"))
    browser.sign_in()

    assert browser.open("/account").request.path == "/account/delete"
    assert browser.open("/account/export").request.path == "/account/delete"
    browser.submit("/account/delete/restore")

    assert browser.page.request.path == "/account/mfa"
    assert browser.open("/account/delete").request.path == "/account/mfa"
    assert browser.post("/account/delete", understood="1").headers["Location"] == "/account/mfa"


def test_change_password_url_redirects_to_its_page(make_app: MakeApp) -> None:
    app, without_pages = make_app(), make_app(PAGES="false")

    assert app.test_client().get("/.well-known/change-password").headers["Location"].endswith("/account/password")
    assert without_pages.test_client().get("/.well-known/change-password").status_code == 404
