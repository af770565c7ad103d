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

EMAIL = "grace@example.com"
REFRESHES = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/auth/refresh')).length"
FETCH_FIVE = "Promise.all([1, 2, 3, 4, 5].map(() => auth.fetch('/users/profile').then(({ status }) => status)))"

NEEDS_CHROMIUM = pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the commands of the README, create a user, and return the URL of the page."""
    example, page_port = Example("browser", tmp_path_factory.mktemp("browser")), free_port()
    commands = block("examples/browser/README.md", "serve").replace("8000", str(page_port))
    with example.start_block(commands) as running, closing(HttpClient(example.port)) as client:
        running.wait_until(client.is_ready)
        UserScenario(client, client.code_for, EMAIL).register_and_verify()
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


@pytest.mark.skipif("CHECK_TYPES" not in os.environ, reason="downloads TypeScript: make test-slow SUITE=browser")
def test_browser_module_has_no_type_errors() -> None:
    command = block("examples/browser/README.md", "check")
    result = subprocess.run(
        ["/bin/bash", "-euc", command], cwd=ROOT / "examples/browser", capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr


def test_browser_module_is_in_the_guide() -> None:
    guide = block("docs/how-to/call-from-a-browser.md", "client")

    assert guide == Path(ROOT, "examples/browser/auth.js").read_text()
