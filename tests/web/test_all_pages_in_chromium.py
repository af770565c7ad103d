"""The hosted pages in Chromium: more ways through them, and axe on every page and state.

`make test-slow SUITE=browser` runs it.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import CDPSession
from tests.mfa.helpers import STEP
from tests.support.chromium import EXECUTABLE
from tests.support.users import PASSWORD
from tests.web.live_site import (
    DESKTOP,
    PHONE,
    WITHOUT_AUTOFILL,
    LivePage,
    LiveSite,
    Scheme,
    add_authenticator,
    change_password_with_error,
    otp,
    register_with_errors,
    sign_in_with_error,
)

from flaskauth.core import clock

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed"),
]
ACCOUNT_PAGES = (
    *("/account", "/account/profile", "/account/avatar", "/account/email", "/account/email/verify"),
    *("/account/password", "/account/mfa", "/account/passkeys", "/account/recovery-codes", "/account/sessions"),
    *("/account/activity", "/account/export", "/account/delete", "/account/confirm", "/sign-out"),
)
WITHOUT_JSON = """
delete PublicKeyCredential.parseCreationOptionsFromJSON;
delete PublicKeyCredential.parseRequestOptionsFromJSON;
PublicKeyCredential.prototype.toJSON = () => { throw new TypeError("replaced by a password manager") };
"""
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PUBLIC_PAGES = (
    *("/sign-in", "/sign-in/email-code", "/sign-in/email-code/verify"),
    *("/register", "/verify", "/forgot", "/reset"),
    *("/auth/report-sign-in", f"/auth/report-sign-in#{'x' * 43}"),
)


def wait_until_deleted(page: LivePage, devtools: CDPSession, authenticator_id: str) -> None:
    """Wait until the authenticator has deleted its passkey, up to 30 seconds."""
    for _ in range(600):
        if not devtools.send("WebAuthn.getCredentials", {"authenticatorId": authenticator_id})["credentials"]:
            return
        page.page.wait_for_timeout(50)
    raise AssertionError("the passkey still exists")


def start_app(page: LivePage) -> None:
    page.open("/account/mfa")
    with page.page.expect_navigation():
        page.page.locator("form[action$='/account/mfa/apps'] button").click()


def enrol_app(page: LivePage) -> None:
    """Add an authenticator app. The next code is of a new step."""
    clock.travel(STEP - timedelta(seconds=clock.now().timestamp() % STEP.total_seconds()))
    start_app(page)
    secret = page.page.locator("p.key bdi").text_content()
    assert secret
    page.fill(otp=otp(secret))
    with page.page.expect_navigation():
        page.page.locator("form[action$='/confirm'] button").click()
    clock.travel(STEP)


def test_without_scripts_user_signs_in_with_a_mailed_code(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js9@example.com")
    page.open("/sign-in?return_to=/account/sessions")
    page.follow("Sign in with a code by mail")
    page.fill(email=email)
    page.submit()
    page.fill(otp="BCDF-2345")
    page.submit()
    assert page.page.locator(".summary").is_visible()
    page.fill(otp=site.mailbox.code(email))
    page.submit()

    assert page.path() == "/account/sessions"


def test_without_scripts_user_pastes_the_link_of_a_mail(site: LiveSite) -> None:
    page, link = site.new_page(java_script_enabled=False), site.report_link("js10@example.com")
    page.open(link)
    page.fill(token=site.root + link)
    page.submit()

    assert page.heading() == "Done"


def test_without_scripts_user_edits_the_profile(site: LiveSite, tmp_path: Path) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js4@example.com")
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "avatar.png")
    page.sign_in(email)
    page.open("/account/profile")
    page.fill(first_name="Ada")
    page.page.select_option("#country", "NG")
    page.submit()
    assert page.page.locator(".notice").inner_text() == "Your changes are saved."
    page.open("/account/avatar")
    page.page.set_input_files("#avatar", tmp_path / "avatar.png")
    page.submit()

    width = page.page.locator(".person img").bounding_box()
    assert width
    assert width["width"] == 64


def test_without_scripts_user_changes_the_email(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js5@example.com")
    page.sign_in(email)
    page.open("/account/email")
    page.fill(email="js5-new@example.com")
    page.submit()
    page.fill(otp=site.mailbox.code("js5-new@example.com"))
    page.submit()

    assert "js5-new@example.com" in page.page.locator("main").inner_text()


def test_without_scripts_user_ends_other_sessions(site: LiveSite) -> None:
    page, other = site.new_page(java_script_enabled=False), site.new_page(java_script_enabled=False)
    email = site.new_user("js6@example.com")
    for tab in (page, other):
        tab.sign_in(email)
    page.open("/account/sessions")
    page.submit("End all other sessions")
    other.open("/account")

    assert (page.path(), other.path()) == ("/account/sessions", "/sign-in?return_to=%2Faccount")


def test_without_scripts_user_deletes_and_restores(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js7@example.com")
    page.sign_in(email)
    page.open("/account/delete")
    page.page.check("#understood")
    page.submit("Delete the account")
    assert page.path() == "/sign-in"
    page.sign_in(email)
    page.submit("Keep the account")

    assert page.page.locator(".notice").inner_text() == "Your account is restored."


def test_without_scripts_arabic_page_is_right_to_left(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js8@example.com")
    page.open("/sign-in?return_to=/account/sessions")
    page.follow("العربية")
    page.fill(email=email, password=PASSWORD)
    page.submit()

    assert page.path() == "/account/sessions"
    assert page.page.evaluate("[document.dir, getComputedStyle(document.body).direction]") == ["rtl", "rtl"]


def test_passkey_is_added_with_codes_to_copy_and_download(site: LiveSite) -> None:
    page = site.new_page(permissions=["clipboard-read", "clipboard-write"], user_agent=FIREFOX)
    email = site.new_user("pk1@example.com")
    add_authenticator(page)
    page.sign_in(email)
    page.add_passkey()
    codes = page.page.locator("#codes li").all_inner_texts()
    page.press("Copy")
    page.page.wait_for_selector("text=Copied")
    with page.page.expect_download() as download:
        page.press("Download")

    assert page.page.evaluate("navigator.clipboard.readText()") == "\n".join(codes)
    assert Path(download.value.path()).read_text() == "\n".join(codes) + "\n"
    page.follow("I have saved them")
    assert page.page.locator("ul.rows b").inner_text() == "Firefox (Linux)"


def test_passkey_signs_in_with_the_button(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk2@example.com")
    page.page.add_init_script(WITHOUT_AUTOFILL)
    add_authenticator(page)
    page.sign_in(email)
    page.add_passkey()
    page.sign_out()
    page.page.check("#stay")
    page.press("Sign in with a passkey")
    page.page.wait_for_url("**/account")

    [cookie] = [item for item in page.page.context.cookies() if item["name"] == "flaskauth"]
    assert cookie["expires"] > 0


def test_passkey_works_without_json_functions_of_the_browser(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk7@example.com")
    page.page.add_init_script(f"{WITHOUT_AUTOFILL}; {WITHOUT_JSON}")
    add_authenticator(page)
    page.sign_in(email)
    page.add_passkey()
    assert page.page.evaluate("PublicKeyCredential.parseCreationOptionsFromJSON") is None
    page.sign_out()
    page.press("Sign in with a passkey")
    page.page.wait_for_url("**/account")


def test_passkey_options_of_an_idle_sign_in_page_are_renewed(site: LiveSite) -> None:
    page = site.new_page()
    add_authenticator(page)
    page.page.clock.install()
    with page.page.expect_request("**/auth/passkeys/options"):
        page.open("/sign-in")
    for _ in range(2):
        with page.page.expect_response("**/auth/passkeys/options"):
            page.page.clock.fast_forward(timedelta(minutes=4) // timedelta(milliseconds=1))

    assert page.page.locator(".error:visible").count() == 0


def test_passkey_is_the_second_step_after_a_password(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk4@example.com")
    page.page.add_init_script(WITHOUT_AUTOFILL)
    add_authenticator(page)
    page.sign_in(email)
    page.add_passkey(requires_mfa=True)
    page.sign_out()
    page.sign_in(email)
    assert page.path() == "/sign-in/second-factor"
    page.press("Use a passkey or security key")
    page.page.wait_for_url("**/account")


def test_passkey_confirms_a_sensitive_page(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk5@example.com")
    page.page.add_init_script(WITHOUT_AUTOFILL)
    add_authenticator(page)
    page.sign_in(email)
    page.add_passkey()
    clock.travel(timedelta(minutes=11))
    page.open("/account/email")
    assert page.heading() == "Confirm it is you"
    page.press("Confirm with a passkey")
    page.page.wait_for_url("**/account/email")


def test_removed_passkey_is_deleted_and_errors_are_plain(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk6@example.com")
    page.page.add_init_script(WITHOUT_AUTOFILL)
    devtools, authenticator_id = add_authenticator(page)
    page.sign_in(email)
    page.add_passkey()
    page.open("/account/passkeys")
    page.press("Add a passkey")
    message = page.page.locator("#credential-passkey-message")
    message.wait_for()
    assert message.inner_text() == "This device already has a passkey for your account."
    page.page.click("summary >> nth=0")
    page.submit("Remove")
    wait_until_deleted(page, devtools, authenticator_id)
    page.sign_out()
    page.press("Sign in with a passkey")
    page.page.locator("#credential-get-message").wait_for()

    assert page.page.locator("#credential-get-message").inner_text().startswith("No passkey was used.")


def test_passkey_removed_elsewhere_is_deleted_at_sign_in(site: LiveSite) -> None:
    page, other, email = site.new_page(), site.new_page(), site.new_user("pk8@example.com")
    page.page.add_init_script(WITHOUT_AUTOFILL)
    devtools, authenticator_id = add_authenticator(page)
    page.sign_in(email)
    page.add_passkey()
    other.sign_in(email)
    other.open("/account/passkeys")
    other.page.click("ul.rows summary")
    other.submit("Remove")
    page.sign_in(email)

    wait_until_deleted(page, devtools, authenticator_id)


def states(page: LivePage, email: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the name of each page and error state, and a function that opens it."""
    for path in PUBLIC_PAGES:
        yield path, lambda path=path: page.open(path)  # type: ignore[misc]
    yield "/sign-in with error", lambda: sign_in_with_error(page)
    yield "/register with errors", lambda: register_with_errors(page)
    yield "link expired", lambda: follow_expired_link(page)
    yield "/verify with error", lambda: submit_wrong_mailed_code(page, "/verify")
    yield "/reset with error", lambda: submit_wrong_mailed_code(page, "/reset", password=PASSWORD)
    yield "/nothing", lambda: page.open("/nothing")
    yield "signed in", lambda: page.sign_in(email)
    for path in ACCOUNT_PAGES:
        yield path, lambda path=path: page.open(path)  # type: ignore[misc]
    yield "/account/password with error", lambda: change_password_with_error(page)
    yield "deletion scheduled", lambda: delete_account(page, email)
    yield "account restored", page.submit
    yield "new app", lambda: start_app(page)
    yield "new codes", lambda: enrol_app(page)
    yield "/account/mfa with an app", lambda: page.open("/account/mfa")
    yield "/account/mfa with error", lambda: rename_with_error(page)
    yield "/account/confirm with MFA", lambda: page.open("/account/confirm")
    yield "second step", lambda: begin_second_step(page, email)
    yield "second step with error", lambda: submit_wrong_code(page)
    yield "second step by recovery code", lambda: page.open("/sign-in/second-factor?method=recovery_code")
    yield "/sign-in/lost-factor", lambda: page.open("/sign-in/lost-factor")
    yield "lost factor code", page.submit
    yield "lost factor code with error", lambda: submit_wrong_code(page)


def delete_account(page: LivePage, email: str) -> None:
    page.open("/account/delete")
    page.page.check("#understood")
    page.submit()
    page.sign_in(email)


def rename_with_error(page: LivePage) -> None:
    page.page.click("summary")
    form = page.page.locator("form[action$='/rename']")
    form.locator("input").fill("http://x")
    with page.page.expect_navigation():
        form.locator("button").click()


def submit_wrong_code(page: LivePage) -> None:
    page.fill(otp="BCDF-2345")
    page.submit()


def follow_expired_link(page: LivePage) -> None:
    page.open("/auth/report-sign-in")
    page.fill(token="expired")
    page.submit()


def submit_wrong_mailed_code(page: LivePage, path: str, **values: str) -> None:
    page.open(path)
    page.fill(email="unknown@example.com", otp="BCDF-2345", **values)
    page.submit()


def begin_second_step(page: LivePage, email: str) -> None:
    page.sign_out()
    page.sign_in(email)


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_page_state_has_no_axe_violations(
    site: LiveSite, language: str, scheme: Scheme, size: dict[str, int]
) -> None:
    email = site.new_user(f"axe-{language}-{scheme}-{size['width']}@example.com")
    page = site.new_page(color_scheme=scheme, viewport=size, reduced_motion="reduce")
    page.open(f"/sign-in?lang={language}")
    found = {}
    for name, reach in states(page, email):
        reach()
        if violations := page.violations():
            found[name] = violations
        assert page.overflow() <= 0, name

    assert found == {}


@pytest.mark.parametrize("text_size", [16, 32], ids=["normal text", "200 % text"])
def test_every_page_state_fits_320_pixels(site: LiveSite, text_size: int) -> None:
    email = site.new_user(f"narrow-{text_size}@example.com")
    page = site.new_page(viewport={"width": 320, "height": 640})
    page.open("/sign-in")
    wide = {}
    for name, reach in states(page, email):
        reach()
        page.page.evaluate(f"document.documentElement.style.fontSize = '{text_size}px'")
        if (pixels := page.overflow()) > 0:
            wide[name] = pixels

    assert wide == {}
