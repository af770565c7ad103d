"""examples/browser: two tabs of Chromium sign in, refresh, and sign out."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.docs.code_blocks import ROOT, block
from tests.e2e.http_client import HttpClient
from tests.e2e.scenario import PASSWORD, UserScenario
from tests.examples.helpers import Example
from tests.servers import free_port
from tests.support.chromium import EXECUTABLE, Chromium, JavaScriptError, Page

EMAIL, MFA_EMAIL = "grace@example.com", "ada@example.com"
REFRESHES = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/auth/refresh')).length"
FETCH_FIVE = "Promise.all([1, 2, 3, 4, 5].map(() => auth.fetch('/users/profile').then(({ status }) => status)))"

NEEDS_CHROMIUM = pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed")
IS_SLOW_SUITE = "CHECK_TYPES" in os.environ
SLOW = pytest.mark.skipif(not IS_SLOW_SUITE, reason="make test-slow SUITE=browser")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the commands of the README, create a user, and return the URL of the page."""
    example, page_port = Example("browser", tmp_path_factory.mktemp("browser")), free_port()
    commands = block("examples/browser/README.md", "serve").replace("8000", str(page_port))
    with example.start_block(commands) as running, closing(HttpClient(example.port)) as client:
        running.wait_until(client.is_ready)
        for email in (EMAIL, MFA_EMAIL):
            UserScenario(client, client.code_for, email).register_and_verify()
        yield f"http://localhost:{page_port}/?server=http://localhost:{example.port}"


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
    tabs[0].run("new BroadcastChannel('flaskauth').postMessage('expired')")
    tabs[0].wait_for("new Promise((resolve) => setTimeout(resolve, 50, true))")
    for tab in tabs:
        tab.run(f"window.result = {FETCH_FIVE}, 0")

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
def test_browser_security_key_is_a_second_factor(browser: Chromium, url: str) -> None:
    tab = browser.open_page(url)
    tab.add_authenticator(transport="usb", hasResidentKey=False, hasUserVerification=False, isUserVerified=False)
    tab.run(f"auth.signIn('{MFA_EMAIL}', '{PASSWORD}')")
    tab.run("addPasskey(auth, 'Key', { kind: 'security_key', enable_mfa: true })")
    tab.run("auth.signOut()")
    with pytest.raises(JavaScriptError, match="second factor"):
        tab.run(f"auth.signIn('{MFA_EMAIL}', '{PASSWORD}')")
    tab.run(f"signIn('{MFA_EMAIL}', '{PASSWORD}')")

    tab.wait_for(f"document.getElementById('email').value === '{MFA_EMAIL}'")
    tab.run("localStorage.clear()")
    tab.close()


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
