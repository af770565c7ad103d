"""The hosted pages in Chromium: with and without scripts, by keyboard, with passkeys; axe on every page and state.

`make test-slow SUITE=browser` runs it.
"""

import contextlib
import re
import runpy
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image
from playwright.sync_api import Playwright, sync_playwright
from tests.conftest import _create_app, _stop
from tests.docs.code_blocks import ROOT
from tests.mfa.helpers import STEP
from tests.servers import free_port
from tests.support.chromium import EXECUTABLE
from tests.support.users import PASSWORD, UserFactory
from tests.web.live_site import LivePage, LiveSite, Scheme, add_authenticator, otp, serve

from flaskauth.core import clock
from flaskauth.core.context import MOUNTED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed"),
]
NEW_PASSWORD = "nine purple ladders"
WITHOUT_AUTOFILL = "delete PublicKeyCredential.isConditionalMediationAvailable"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
ACCOUNT_PAGES = (
    *("/account", "/account/profile", "/account/avatar", "/account/email", "/account/email/verify"),
    *("/account/password", "/account/mfa", "/account/passkeys", "/account/recovery-codes", "/account/sessions"),
    *("/account/activity", "/account/export", "/account/delete", "/account/confirm", "/sign-out"),
)
PUBLIC_PAGES = ("/sign-in", "/register", "/verify", "/forgot", "/reset")


@pytest.fixture(scope="module")
def app(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("live")
    (folder / "test.db").write_bytes(sqlite_template.read_bytes())
    settings = {"PUBLIC_URL": f"http://localhost:{free_port()}", "RATE_LIMIT_FACTOR": "1000"}
    app = _create_app(f"sqlite:///{folder}/test.db", folder, {**settings, "RATE_LIMIT_MAIL": "9000/hour"})
    yield app
    _stop(app)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The example `examples/pages`, with a user."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / ".env").write_text(f"PUBLIC_URL=http://localhost:{free_port()}/accounts\n")
    (folder / "shop.py").write_text((ROOT / "examples/pages/shop.py").read_text())
    with contextlib.chdir(folder):
        shop: Flask = runpy.run_path("shop.py")["app"]
        UserFactory(shop.extensions[MOUNTED]).create_verified()
    yield shop
    _stop(shop.extensions[MOUNTED])


@pytest.fixture(scope="module")
def playwright(app: Flask, shop: Flask) -> Iterator[Playwright]:
    """Playwright, whose event loop runs in this thread. The applications are created before."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def live(app: Flask, playwright: Playwright) -> Iterator[LiveSite]:
    with serve(app, app, playwright) as site:
        yield site


@pytest.fixture
def site(live: LiveSite) -> Iterator[LiveSite]:
    """The site. After the test no page may have reported an error."""
    yield live
    live.close_pages()


def enrol_app(page: LivePage) -> None:
    """Add an authenticator app. The next code is of a new step."""
    clock.travel(STEP - timedelta(seconds=clock.now().timestamp() % STEP.total_seconds()))
    start_app(page)
    secret = page.page.locator("p.key bdi").text_content()
    assert secret
    page.fill(otp=otp(secret))
    page.page.locator("form[action$='/confirm'] button").click()
    page.page.wait_for_selector("#codes")
    clock.travel(STEP)


def add_passkey(page: LivePage, *, requires_mfa: bool = False) -> None:
    page.open("/account/passkeys")
    if requires_mfa:
        page.page.check("#enable_mfa")
    page.submit("Add a passkey")
    page.page.wait_for_selector("#codes, ul.rows")


def test_without_scripts_user_registers_and_signs_in(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), "js1@example.com"
    page.open("/sign-in")
    page.page.click("text=Create an account")
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
    page.submit("Sign out") if page.page.locator("main form").count() else page.page.click("header button")
    clock.travel(STEP)
    page.sign_in(email)
    page.fill(otp="000000")
    page.submit()
    assert page.page.locator(".summary").is_visible()
    page.page.click("text=Use a recovery code")
    page.fill(recovery_code=codes[0].replace("-", " "))
    page.submit()

    assert page.path() == "/account"


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
    page.page.click("text=العربية")
    page.fill(email=email, password=PASSWORD)
    page.submit()

    assert page.path() == "/account/sessions"
    assert page.page.evaluate("[document.dir, getComputedStyle(document.body).direction]") == ["rtl", "rtl"]


def test_user_signs_in_and_out_with_the_keyboard(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("keys1@example.com")
    keyboard = page.page.keyboard
    page.open("/sign-in")
    keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.className") == "skip"
    keyboard.press("Enter")
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


def test_example_with_own_pages_signs_in_and_out(shop: Flask, playwright: Playwright) -> None:
    with serve(shop, shop.extensions[MOUNTED], playwright) as site:
        page = site.new_page()
        page.open("/")
        page.fill(email="grace@example.com", password=PASSWORD)
        page.submit("Sign in")
        assert (page.path(), page.heading()) == ("/", "Hello, Grace")
        page.page.click("text=Order a kettle")
        assert (page.path(), page.heading()) == ("/orders", "Orders of Grace: 1")
        page.open("/")
        page.page.click("text=Sign out")
        page.open("/orders")
        assert page.path() == "/accounts/sign-in?return_to=%2Forders"
        site.close_pages()


def test_error_summary_leads_to_the_field_with_the_keyboard(site: LiveSite) -> None:
    page = site.new_page()
    page.open("/register")
    page.fill(first_name="Grace", email="grace@example.com", password="password")
    page.page.keyboard.press("Enter")
    page.page.wait_for_selector(".summary")
    assert page.page.evaluate("document.activeElement.id") == "errors"
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")

    assert page.page.evaluate("document.activeElement.id") == "password"
    assert page.page.input_value("#email") == "grace@example.com"
    assert page.page.input_value("#password") == ""


def test_passkey_is_added_with_codes_to_copy_and_download(site: LiveSite) -> None:
    page, email = site.new_page(permissions=["clipboard-read", "clipboard-write"]), site.new_user("pk1@example.com")
    add_authenticator(page)
    page.sign_in(email)
    add_passkey(page)
    codes = page.page.locator("#codes li").all_inner_texts()
    page.submit("Copy")
    page.page.wait_for_selector("text=Copied")
    with page.page.expect_download() as download:
        page.submit("Download")

    assert page.page.evaluate("navigator.clipboard.readText()") == "\n".join(codes)
    assert Path(download.value.path()).read_text() == "\n".join(codes) + "\n"
    page.page.click("text=I have saved them")
    assert page.page.locator("ul.rows b").inner_text() == "Passkey"


def test_passkey_signs_in_with_the_button(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk2@example.com")
    page.page.add_init_script(WITHOUT_AUTOFILL)
    add_authenticator(page)
    page.sign_in(email)
    add_passkey(page)
    page.page.click("header button")
    page.page.wait_for_url("**/sign-in")
    page.page.check("#stay")
    page.submit("Sign in with a passkey")
    page.page.wait_for_url("**/account")

    [cookie] = [item for item in page.page.context.cookies() if item["name"] == "flaskauth"]
    assert cookie["expires"] > 0


def test_passkey_signs_in_by_autofill(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk3@example.com")
    add_authenticator(page)
    page.sign_in(email)
    add_passkey(page)
    page.page.click("header button")  # the virtual authenticator accepts the request of the sign-in page by itself
    page.page.wait_for_url("**/account")

    assert page.heading() == "Grace Hopper"


def test_passkey_is_the_second_step_after_a_password(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk4@example.com")
    page.page.add_init_script(WITHOUT_AUTOFILL)
    add_authenticator(page)
    page.sign_in(email)
    add_passkey(page, requires_mfa=True)
    page.page.click("header button")
    page.sign_in(email)
    assert page.path() == "/sign-in/second-factor"
    page.submit("Use a passkey or security key")
    page.page.wait_for_url("**/account")


def test_passkey_confirms_a_sensitive_page(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk5@example.com")
    page.page.add_init_script(WITHOUT_AUTOFILL)
    add_authenticator(page)
    page.sign_in(email)
    add_passkey(page)
    clock.travel(timedelta(minutes=11))
    page.open("/account/email")
    assert page.heading() == "Confirm it is you"
    page.submit("Confirm with a passkey")
    page.page.wait_for_url("**/account/email")


def test_removed_passkey_is_deleted_and_errors_are_plain(site: LiveSite) -> None:
    page, email = site.new_page(), site.new_user("pk6@example.com")
    page.page.add_init_script(WITHOUT_AUTOFILL)
    devtools, authenticator_id = add_authenticator(page)
    page.sign_in(email)
    add_passkey(page)
    page.open("/account/passkeys")
    page.submit("Add a passkey")
    message = page.page.locator("#credential-passkey-message")
    message.wait_for()
    assert message.inner_text() == "This device already has a passkey for your account."
    page.page.click("summary >> nth=0")
    page.submit("Remove")
    page.page.click("header button")
    page.page.wait_for_url("**/sign-in")
    assert devtools.send("WebAuthn.getCredentials", {"authenticatorId": authenticator_id})["credentials"] == []
    page.submit("Sign in with a passkey")
    page.page.locator("#credential-get-message").wait_for()

    assert page.page.locator("#credential-get-message").inner_text().startswith("No passkey was used.")


def states(page: LivePage, email: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the name of each page and error state, and a function that opens it."""
    for path in PUBLIC_PAGES:
        yield path, lambda path=path: page.open(path)  # type: ignore[misc]
    yield "/sign-in with error", lambda: sign_in_with_error(page)
    yield "/register with errors", lambda: register_with_errors(page)
    yield "/nothing", lambda: page.open("/nothing")
    yield "signed in", lambda: page.sign_in(email) if page.path() != "/account" else None
    for path in ACCOUNT_PAGES:
        yield path, lambda path=path: page.open(path)  # type: ignore[misc]
    yield "/account/password with error", lambda: change_password_with_error(page)
    yield "new app", lambda: start_app(page)
    yield "new codes", lambda: enrol_app(page)
    yield "second step", lambda: begin_second_step(page, email)
    yield "/sign-in/lost-factor", lambda: page.open("/sign-in/lost-factor")
    yield "lost factor code", lambda: page.page.locator("main form button").click()


def begin_second_step(page: LivePage, email: str) -> None:
    page.page.locator("header form button").click()
    page.open("/sign-in")
    page.fill(email=email, password=PASSWORD)
    page.page.locator("main form .primary").click()
    page.page.wait_for_url("**/sign-in/second-factor")


def sign_in_with_error(page: LivePage) -> None:
    page.open("/sign-in")
    page.fill(email="unknown@example.com", password="wrong password")
    page.submit()
    page.page.wait_for_selector(".summary")


def register_with_errors(page: LivePage) -> None:
    page.open("/register")
    page.fill(first_name="http://x", email="grace@example.com", password="password")
    page.submit()
    page.page.wait_for_selector(".summary")


def change_password_with_error(page: LivePage) -> None:
    page.open("/account/password")
    page.fill(current_password="wrong password", password=NEW_PASSWORD)
    page.submit()
    page.page.wait_for_selector(".summary")


def start_app(page: LivePage) -> None:
    page.open("/account/mfa")
    page.page.locator("form[action$='/account/mfa/apps'] button").click()
    page.page.wait_for_selector(".qr")


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
        if name == "signed in":
            page.open("/sign-in")
            page.fill(email=email, password=PASSWORD)
            page.submit()
            page.page.wait_for_url("**/account")
            continue
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


def test_sign_in_page_loads_36_kb_from_its_own_origin(site: LiveSite) -> None:
    page, sizes = site.new_page(), dict[str, int]()
    page.page.on("response", lambda response: sizes.update({response.url: len(response.body())}))
    page.open("/sign-in")
    page.page.wait_for_load_state("networkidle")

    assert all(url.startswith(site.root) for url in sizes)
    assert sum(sizes.values()) <= 36_000
    assert any(re.search(r"/pages/\w+/pages\.css", url) for url in sizes)
