"""examples/browser: two tabs of Chromium sign in, refresh, add second factors and use them, and sign out."""

import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest
from tests.docs.code_blocks import ROOT, block
from tests.e2e.http_client import HttpClient
from tests.e2e.scenario import PASSWORD, UserScenario
from tests.examples.helpers import Example
from tests.servers import free_port
from tests.support.chromium import EXECUTABLE, Chromium, JavaScriptError, Page

EMAIL = "grace@example.com"
REFRESHES = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/auth/refresh')).length"
LOCK = "flaskauth.tokens"
FETCH_FIVE = "Promise.all([1, 2, 3, 4, 5].map(() => auth.fetch('/users/profile').then(({ status }) => status)))"

NEEDS_CHROMIUM = pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed")
IS_SLOW_SUITE = "CHECK_TYPES" in os.environ
SLOW = pytest.mark.skipif(not IS_SLOW_SUITE, reason="make test-slow SUITE=browser")


AccountFactory = Callable[[], str]


@dataclass(frozen=True)
class ExamplePage:
    """The page, used as a user does. It waits until an element is visible."""

    tab: Page
    email: str

    def sign_in(self) -> None:
        self.submit("sign-in", email=self.email, password=PASSWORD)
        self.tab.wait_for("document.getElementById('sign-in').hidden")

    def click(self, element_id: str) -> None:
        self._wait_until_visible(element_id)
        self.tab.run(f"document.getElementById('{element_id}').click()")

    def submit(self, form: str, **fields: str) -> None:
        self._wait_until_visible(form)
        for name, value in fields.items():
            self.tab.run(f"document.getElementById('{form}').elements.{name}.value = {json.dumps(value)}")
        self.tab.run(f"document.getElementById('{form}').requestSubmit()")

    def text(self, element_id: str) -> str:
        self._wait_until_visible(element_id)
        text: str = self.tab.run(f"document.getElementById('{element_id}').innerText")
        return text

    def take_recovery_codes(self) -> list[str]:
        """Return the shown codes, and confirm that they are stored. They are not in the page afterwards."""
        items = "Array.from(document.querySelectorAll('#recovery-codes li'), ({ innerText }) => innerText)"
        self._wait_until_visible("recovery-codes")
        codes: list[str] = self.tab.run(items)
        self.click("codes-stored")
        assert self.tab.run(items) == []
        return codes

    def wait_until_signed_in(self) -> None:
        self._wait_until_visible("signed-in")
        self.tab.wait_for(f"document.getElementById('email').value === '{self.email}'")

    def close(self) -> None:
        self.tab.run("localStorage.clear()")
        self.tab.close()

    def _wait_until_visible(self, element_id: str) -> None:
        self.tab.wait_for(f"document.getElementById('{element_id}').checkVisibility()")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, AccountFactory]]:
    """Run the commands of the README. Return the URL of the page, and a function that creates a user."""
    example, page_port = Example("browser", tmp_path_factory.mktemp("browser")), free_port()
    commands = block("examples/browser/README.md", "serve").replace("8000", str(page_port))
    numbers = itertools.count()
    with example.start_block(commands) as running, closing(HttpClient(example.port)) as client:
        running.wait_until(client.is_ready)
        UserScenario(client, client.code_for, EMAIL).register_and_verify()

        def create() -> str:
            email = f"ada{next(numbers)}@example.com"
            UserScenario(client, client.code_for, email).register_and_verify()
            return email

        yield f"http://localhost:{page_port}/?server=http://localhost:{example.port}", create


@pytest.fixture(scope="module")
def factory(server: tuple[str, AccountFactory]) -> AccountFactory:
    return server[1]


@pytest.fixture(scope="module")
def url(server: tuple[str, AccountFactory]) -> str:
    return server[0]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def tabs(browser: Chromium, url: str) -> Iterator[list[Page]]:
    """Two tabs in which the user is signed in."""
    tabs = [browser.open_page(url), browser.open_page(url)]
    tabs[0].run(f"auth.signIn('{EMAIL}', '{PASSWORD}')")
    for tab in tabs:
        tab.wait_for(f"document.getElementById('email').value === '{EMAIL}'")
    yield tabs
    for tab in tabs:
        tab.run("localStorage.clear()")
        tab.close()


@NEEDS_CHROMIUM
def test_browser_sign_in_and_out_change_all_tabs(tabs: list[Page]) -> None:
    assert [tab.run("auth.isSignedIn") for tab in tabs] == [True, True]
    tabs[1].run("document.getElementById('sign-out').click()")

    for tab in tabs:
        tab.wait_for("!document.getElementById('sign-in').hidden")
        assert tab.run("auth.fetch('/users/profile').then(({ status }) => status)") == 401


@NEEDS_CHROMIUM
def test_browser_reload_refreshes_the_token_once(tabs: list[Page], url: str) -> None:
    tabs[0].open(url)

    assert tabs[0].run(FETCH_FIVE) == [200] * 5
    assert tabs[0].run(REFRESHES) == 1


@NEEDS_CHROMIUM
def test_browser_expired_token_is_refreshed_once_in_all_tabs(tabs: list[Page]) -> None:
    before = sum(tab.run(REFRESHES) for tab in tabs)
    for tab in tabs:
        tab.run("window.changed = new Promise((resolve) => auth.addEventListener('change', resolve)), 0")
    tabs[0].run("new BroadcastChannel('flaskauth').postMessage('expired')")
    for tab in tabs:
        tab.run("changed.then(() => 0)")
    tabs[0].run(f"navigator.locks.request('{LOCK}', () => new Promise((resolve) => (window.release = resolve))), 0")
    for tab in tabs:
        tab.run(f"window.result = {FETCH_FIVE}, 0")
    tabs[0].wait_for("navigator.locks.query().then(({ pending }) => pending.length === 2)")
    tabs[0].run("release()")

    assert [tab.run("result") for tab in tabs] == [[200] * 5, [200] * 5]
    assert sum(tab.run(REFRESHES) for tab in tabs) - before == 1
    assert [tab.run("auth.isSignedIn") for tab in tabs] == [True, True]


@NEEDS_CHROMIUM
def test_browser_wrong_password_shows_the_message(browser: Chromium, url: str) -> None:
    tab = browser.open_page(url)
    with pytest.raises(JavaScriptError, match="Invalid email or password"):
        tab.run(f"auth.signIn('{EMAIL}', 'wrong password')")

    assert tab.run("auth.isSignedIn") is False
    tab.close()


@NEEDS_CHROMIUM
def test_browser_passkey_is_added_and_signs_in(browser: Chromium, url: str) -> None:
    tab = browser.open_page(url)
    tab.add_authenticator()
    tab.run(f"auth.signIn('{EMAIL}', '{PASSWORD}')")
    assert tab.run("addPasskey(auth, 'Laptop').then(({ passkey }) => passkey.name)") == "Laptop"
    tab.run("auth.signOut()")
    tab.run("document.getElementById('passkey').click()")

    tab.wait_for(f"document.getElementById('email').value === '{EMAIL}'")
    tab.run("localStorage.clear()")
    tab.close()


@NEEDS_CHROMIUM
@SLOW
def test_browser_app_is_added_and_signs_in(browser: Chromium, url: str, factory: AccountFactory) -> None:
    page = ExamplePage(browser.open_page(url), factory())
    page.sign_in()
    page.click("add-app")
    secret = page.text("secret")
    assert page.tab.run("document.querySelector('#qr svg').getBoundingClientRect().width") > 100
    page.submit("new-app", otp=pyotp.TOTP(secret).now())
    codes = page.take_recovery_codes()
    assert len(codes) == 10
    page.click("sign-out")

    page.sign_in()
    page.submit("confirm", code="BCDF-BCDF-BCDF-BCDF")
    page.tab.wait_for("document.getElementById('error').textContent !== ''")
    page.submit("confirm", code=pyotp.TOTP(secret).at(int(time.time()) + 30))
    page.wait_until_signed_in()
    page.click("sign-out")
    page.sign_in()
    page.submit("confirm", code=codes[0])
    page.wait_until_signed_in()
    page.close()


@NEEDS_CHROMIUM
@SLOW
@pytest.mark.parametrize("kind", ["passkey", "security-key"])
def test_browser_key_is_added_and_signs_in(browser: Chromium, url: str, factory: AccountFactory, kind: str) -> None:
    page = ExamplePage(browser.open_page(url), factory())
    is_passkey = kind == "passkey"
    flags = dict.fromkeys(("hasResidentKey", "hasUserVerification", "isUserVerified"), is_passkey)
    page.tab.add_authenticator(**({} if is_passkey else {"transport": "usb"}), **flags)
    page.sign_in()
    page.click("enable-mfa")
    page.click(f"add-{kind}")
    codes = page.take_recovery_codes()
    assert len(codes) == 10
    page.click("sign-out")

    page.sign_in()
    page.click("confirm-passkey")
    page.wait_until_signed_in()
    page.click("sign-out")
    if is_passkey:
        page.click("passkey")
        page.wait_until_signed_in()
    page.close()


@NEEDS_CHROMIUM
@SLOW
def test_browser_reauthenticates_before_it_adds_a_factor(browser: Chromium, url: str, factory: AccountFactory) -> None:
    page = ExamplePage(browser.open_page(url), factory())
    page.tab.add_authenticator()
    page.sign_in()
    page.tab.open(url)  # the refreshed token is not fresh
    page.click("add-passkey")
    page.submit("confirm", password=PASSWORD)
    page.click("enable-mfa")
    codes = page.take_recovery_codes()
    page.tab.add_authenticator(transport="usb")
    page.click("add-passkey")
    page.tab.wait_for("document.getElementById('status').innerText === 'Passkey or security key added'")
    page.tab.open(url)
    page.click("add-app")
    page.submit("confirm", password=PASSWORD, code=codes[0])
    assert page.text("secret")
    page.tab.open(url)
    page.click("add-app")
    page.click("confirm-passkey")
    assert page.text("secret")
    page.close()


@NEEDS_CHROMIUM
@SLOW
def test_browser_autofill_signs_in_with_a_passkey(browser: Chromium, url: str) -> None:
    tab = browser.open_page(url)
    tab.add_authenticator()
    tab.run(f"auth.signIn('{EMAIL}', '{PASSWORD}')")
    tab.run("addPasskey(auth, 'Laptop')")
    tab.run("auth.signOut()")
    tab.run("signInWithPasskey(auth, { mediation: 'conditional' })")

    tab.wait_for(f"document.getElementById('email').value === '{EMAIL}'")
    tab.run("localStorage.clear()")
    tab.close()


@SLOW
def test_browser_module_has_no_type_errors() -> None:
    command = block("examples/browser/README.md", "check")
    result = subprocess.run(
        ["/bin/bash", "-euc", command], cwd=ROOT / "examples/browser", capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr


def test_browser_modules_are_in_the_guides() -> None:
    client = block("docs/how-to/call-from-a-browser.md", "client")
    passkeys = block("docs/how-to/add-passkeys.md", "module")

    assert client == Path(ROOT, "examples/browser/auth.js").read_text()
    assert passkeys == Path(ROOT, "examples/browser/passkeys.js").read_text()
