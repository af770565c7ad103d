"""Passkeys on the hosted pages in Chromium, with its virtual authenticator: the script and its ceremonies.

`make test-slow SUITE=browser` runs it.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import CDPSession
from tests.support.chromium import EXECUTABLE
from tests.web.live_site import WITHOUT_AUTOFILL, LivePage, LiveSite, add_authenticator

from flaskauth.core import clock

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed"),
]
WITHOUT_JSON = """
delete PublicKeyCredential.parseCreationOptionsFromJSON;
delete PublicKeyCredential.parseRequestOptionsFromJSON;
PublicKeyCredential.prototype.toJSON = () => { throw new TypeError("replaced by a password manager") };
"""
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def wait_until_deleted(page: LivePage, devtools: CDPSession, authenticator_id: str) -> None:
    """Wait until the authenticator has deleted its passkey, up to 30 seconds."""
    for _ in range(600):
        if not devtools.send("WebAuthn.getCredentials", {"authenticatorId": authenticator_id})["credentials"]:
            return
        page.page.wait_for_timeout(50)
    raise AssertionError("the passkey still exists")


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
