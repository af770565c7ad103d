"""Passkeys on the hosted pages in Chromium, with its virtual authenticator: the script and its ceremonies.

`make test-slow SUITE=browser` runs it.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from playwright.sync_api import CDPSession, Route
from tests.support.chromium import EXECUTABLE
from tests.web.live_site import WITHOUT_AUTOFILL, LivePage, LiveSite, add_authenticator

from flaskauth.core import clock

T = TypeVar("T")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed"),
]
WITHOUT_JSON = """
delete PublicKeyCredential.parseCreationOptionsFromJSON;
delete PublicKeyCredential.parseRequestOptionsFromJSON;
PublicKeyCredential.prototype.toJSON = () => { throw new TypeError("replaced by a password manager") };
"""
# Report when a ceremony begins, and when its script aborts it.
REPORT_CEREMONIES = """
const get = CredentialsContainer.prototype.get;
CredentialsContainer.prototype.get = function (options) {
  const kind = options.mediation ?? "button";
  report(`${kind} begins`);
  options.signal.addEventListener("abort", () => report(`${kind} is aborted`));
  return get.call(this, options);
};
"""
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def report_ceremonies(page: LivePage) -> list[str]:
    """Return a list that contains the reports of the ceremonies of a tab."""
    reports = list[str]()
    page.page.expose_function("report", lambda report: reports.append(report))  # noqa: PLW0108 (Playwright adds an attribute)
    page.page.add_init_script(REPORT_CEREMONIES)
    return reports


def take_passkey(devtools: CDPSession, authenticator_id: str) -> Callable[[], None]:
    """Remove the only passkey from its authenticator. Return a function that puts it back."""
    key = {"authenticatorId": authenticator_id}
    [credential] = devtools.send("WebAuthn.getCredentials", key)["credentials"]
    devtools.send("WebAuthn.clearCredentials", key)

    def put_back() -> None:
        devtools.send("WebAuthn.addCredential", {**key, "credential": credential})

    return put_back


def wait_for(page: LivePage, items: list[T], count: int) -> list[T]:
    """Wait until there are this many items, up to 30 seconds. Return a copy of them."""
    for _ in range(600):
        if len(items) >= count:
            return items.copy()
        page.page.wait_for_timeout(50)
    raise AssertionError(items)


def center(page: LivePage, label: str) -> tuple[float, float]:
    """Return the position of a button, for clicks that do not wait for the response to a form."""
    button = page.page.get_by_role("button", name=label, exact=True)
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def hold_requests(page: LivePage, url: str, method: str = "POST") -> list[Route]:
    """Return a list that contains the requests to a URL. They wait until the test continues them."""
    routes = list[Route]()

    def hold(route: Route) -> None:
        if route.request.method == method:
            routes.append(route)
        else:
            route.continue_()

    page.page.route(url, hold)
    return routes


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


def test_failed_passkey_is_followed_by_one_with_new_options(site: LiveSite) -> None:
    page, email, challenges = site.new_page(), site.new_user("pk9@example.com"), list[str]()
    page.page.add_init_script(WITHOUT_AUTOFILL)
    devtools, authenticator_id = add_authenticator(page)
    page.sign_in(email)
    page.add_passkey()
    page.sign_out()
    page.page.evaluate("window.wasNotLoadedAgain = true")
    put_back = take_passkey(devtools, authenticator_id)
    for _ in range(2):
        with page.page.expect_response("**/auth/passkeys/options") as response:
            page.press("Sign in with a passkey")
        challenges.append(response.value.json()["options"]["challenge"])
        page.page.locator("#credential-get-message").wait_for()
    put_back()
    assert page.page.evaluate("window.wasNotLoadedAgain")
    page.press("Sign in with a passkey")
    page.page.wait_for_url("**/account")

    assert len(set(challenges)) == 2


def test_autofill_begins_again_after_a_failed_passkey(site: LiveSite) -> None:
    page = site.new_page()
    reports = report_ceremonies(page)
    add_authenticator(page)
    page.open("/sign-in")
    wait_for(page, reports, 1)
    page.press("Sign in with a passkey")
    page.page.locator("#credential-get-message").wait_for()

    button = ["conditional is aborted", "button begins", "button is aborted"]
    assert wait_for(page, reports, 5) == ["conditional begins", *button, "conditional begins"]


def test_passkey_button_ends_the_waiting_autofill(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk10@example.com")
    reports = report_ceremonies(page)
    devtools, authenticator_id = add_authenticator(page)
    page.sign_in(email)
    page.add_passkey()
    put_back = take_passkey(devtools, authenticator_id)
    reports.clear()
    page.page.click("header form button")
    wait_for(page, reports, 1)
    put_back()
    page.press("Sign in with a passkey")
    page.page.wait_for_url("**/account")

    assert reports == ["conditional begins", "conditional is aborted", "button begins"]


def test_second_click_on_a_passkey_button_has_no_effect(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk11@example.com")
    page.page.add_init_script(WITHOUT_AUTOFILL)
    reports = report_ceremonies(page)
    add_authenticator(page)
    page.sign_in(email)
    page.add_passkey()
    page.sign_out()
    options, forms = hold_requests(page, "**/auth/passkeys/options"), hold_requests(page, "**/sign-in/passkey")
    x, y = center(page, "Sign in with a passkey")
    page.page.mouse.dblclick(x, y)
    wait_for(page, options, 1)
    options[0].continue_()
    wait_for(page, forms, 1)
    page.page.mouse.click(x, y)  # the response to the form has not arrived
    page.page.wait_for_timeout(100)
    assert (len(options), len(forms), reports) == (1, 1, ["button begins"])
    forms[0].continue_()
    page.page.wait_for_url("**/account")


def test_second_click_does_not_submit_a_form_again(site: LiveSite) -> None:
    page, email, submissions = site.new_page(), site.new_user("pk12@example.com"), list[bool]()
    page.page.expose_function("report", lambda is_prevented: submissions.append(is_prevented))  # noqa: PLW0108
    page.page.add_init_script("addEventListener('submit', (event) => report(event.defaultPrevented))")
    page.sign_in(email)
    page.open("/account/mfa")
    forms = hold_requests(page, "**/account/mfa/apps")
    submissions.clear()
    page.page.mouse.dblclick(*center(page, "Add an authenticator app"))
    wait_for(page, forms, 1)
    assert wait_for(page, submissions, 2) == [False, True]
    forms[0].continue_()
    page.page.wait_for_selector(".qr")

    assert len(forms) == 1


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
