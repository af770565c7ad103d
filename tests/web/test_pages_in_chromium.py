"""The hosted pages in Chromium: the most important ways through them, with and without scripts, and axe."""

import re

import pytest
from playwright.sync_api import Request
from tests.mfa.helpers import STEP
from tests.support.chromium import EXECUTABLE
from tests.support.users import PASSWORD
from tests.web.live_site import (
    DESKTOP,
    PHONE,
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

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed")
NEW_PASSWORD = "nine purple ladders"


def code_in_mailbox(site: LiveSite, page: LivePage, email: str) -> str:
    """Return the code that the mailbox shows, to which the page has a link."""
    site.mailbox.wait(to=email)
    with page.page.expect_popup() as popup:
        page.page.get_by_role("link", name="Development mailbox").click()
    mailbox = popup.value
    mailbox.locator("#list li", has_text=email).click()
    mailbox.locator("#to", has_text=email).wait_for()
    code = mailbox.locator("#code").inner_text()
    mailbox.close()
    return code


def test_new_user_adds_a_passkey_and_signs_in_with_it(site: LiveSite) -> None:
    page, email = site.new_page(viewport=DESKTOP), "new@example.com"
    add_authenticator(page)
    page.open("/sign-in")
    page.follow("Create an account")
    page.fill(first_name="Grace", last_name="Hopper", email=email, password=PASSWORD)
    page.submit()
    page.fill(otp=code_in_mailbox(site, page, email))
    page.submit()
    page.sign_in(email)
    page.add_passkey()
    assert page.page.locator("#codes li").count() == 10
    page.page.click("header button")  # the virtual authenticator accepts the request of the sign-in page by itself
    page.page.wait_for_url("**/account")

    assert page.heading() == "Grace Hopper"


def test_without_scripts_user_registers_and_signs_in(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), "js1@example.com"
    page.open("/sign-in")
    page.follow("Create an account")
    page.fill(first_name="Grace", last_name="Hopper", email=email, password=PASSWORD)
    page.submit()
    page.fill(otp=site.mailbox.code(email).lower().replace("-", " "))
    page.submit()
    page.fill(email=email, password=PASSWORD)
    page.submit()

    assert (page.path(), page.heading()) == ("/account", "Grace Hopper")


def test_without_scripts_user_resets_the_password(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js2@example.com")
    page.open("/forgot")
    page.fill(email=email)
    page.submit()
    page.fill(otp=site.mailbox.code(email), password=NEW_PASSWORD)
    page.submit()
    page.sign_in(email, NEW_PASSWORD)

    assert page.path() == "/account"


def test_without_scripts_user_signs_in_in_two_steps(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js3@example.com")
    page.sign_in(email)
    page.open("/account/mfa")
    page.submit("Add an authenticator app")
    page.page.click("summary")
    secret = page.page.locator("p.key bdi").inner_text()
    page.fill(otp=otp(secret))
    page.submit("Add the app")
    codes = page.page.locator("#codes li").all_inner_texts()
    page.sign_out()
    clock.travel(STEP)
    page.sign_in(email)
    page.fill(otp="12345")
    page.submit()
    assert page.page.locator(".summary").is_visible()
    page.follow("Use a recovery code")
    page.fill(recovery_code=codes[0].replace("-", " "))
    page.submit()

    assert page.path() == "/account"


def test_user_signs_in_and_out_with_the_keyboard(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("keys1@example.com")
    keyboard = page.page.keyboard
    page.open("/sign-in")
    keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.className") == "skip"
    keyboard.press("Enter")
    page.page.wait_for_url("**/sign-in#main")
    keyboard.press("Tab")
    keyboard.type(email)
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    page.page.wait_for_url("**/account")
    for _ in range(3):
        keyboard.press("Tab")
    keyboard.press("Enter")
    page.page.wait_for_url("**/sign-in")

    assert page.page.locator(".notice").inner_text() == "You are signed out."


def test_error_summary_leads_to_the_field_with_the_keyboard(site: LiveSite) -> None:
    page = site.new_page()
    page.open("/register")
    page.fill(first_name="Grace", email="grace@example.com", password="password")
    page.page.keyboard.press("Enter")
    page.page.locator("#errors:focus").wait_for()
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    page.page.locator("#password:focus").wait_for()

    assert page.page.input_value("#email") == "grace@example.com"
    assert page.page.input_value("#password") == ""


def test_link_in_a_mail_sends_its_token_with_the_button_only(site: LiveSite) -> None:
    page, link = site.new_page(), site.report_link("link1@example.com")
    page.open(link)
    page.page.locator("#token").wait_for(state="hidden")
    assert page.path() == "/auth/report-sign-in"
    page.follow("Kiswahili")
    page.page.locator("#token").wait_for(state="hidden")
    page.submit()
    assert page.heading() == "Imekamilika"
    page.open("/sign-in")
    page.open(link)
    page.submit()

    assert page.heading() == "Kiungo hiki hakitumiki tena"


@pytest.mark.parametrize(
    ("language", "scheme", "size"), [("en", "light", DESKTOP), ("ar", "dark", PHONE)], ids=["light", "dark-ar-phone"]
)
def test_pages_with_errors_have_no_axe_violations(
    site: LiveSite, language: str, scheme: Scheme, size: dict[str, int]
) -> None:
    email = site.new_user(f"axe-{language}@example.com")
    page = site.new_page(color_scheme=scheme, viewport=size, reduced_motion="reduce")
    page.open(f"/sign-in?lang={language}")
    found = page.violations()
    for show_errors in (sign_in_with_error, register_with_errors):
        show_errors(page)
        found += page.violations()
    page.sign_in(email)
    found += page.violations()
    change_password_with_error(page)

    assert found + page.violations() == []


def test_sign_in_page_loads_36_kb_from_its_own_origin(site: LiveSite) -> None:
    page, requests = site.new_page(), list[Request]()

    def remember(request: Request) -> None:
        requests.append(request)

    page.page.on("requestfinished", remember)
    page.open("/sign-in")
    sizes = {request.url: request.sizes()["responseBodySize"] for request in requests}

    assert all(url.startswith(site.root) for url in sizes)
    assert 10_000 < sum(sizes.values()) <= 36_000
    assert any(re.search(r"/pages/\w+/pages\.css", url) for url in sizes)
