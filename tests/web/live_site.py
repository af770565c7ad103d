"""The hosted pages in Chromium, which Playwright controls: a server, pages that report errors, and axe."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import urlsplit

import pyotp
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, Playwright
from tests.support.chromium import EXECUTABLE
from tests.support.users import OTHER_IP, PASSWORD, Mailbox, UserFactory
from werkzeug.serving import make_server

from flaskauth.core import clock, context

Scheme = Literal["light", "dark"]

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WITHOUT_AUTOFILL = "delete PublicKeyCredential.isConditionalMediationAvailable"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
RUN_AXE = (
    f"axe.run(document, {{resultTypes: ['violations'], runOnly: {json.dumps(AXE_TAGS)}}})"
    ".then((result) => JSON.stringify(result.violations))"
)
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
# Chromium logs each document and image with an error status.
EXPECTED_MESSAGE = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")


@dataclass
class LivePage:
    """A tab. `messages` are the errors and reports of its console."""

    page: Page
    root: str
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self._add(message.type, message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))

    def _add(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not EXPECTED_MESSAGE.match(text):
            self.messages.append(text)

    def open(self, path: str) -> None:
        self.page.goto(self.root + path)

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            self.page.fill(f"#{name}", value)

    def press(self, label: str) -> None:
        """Press a button of the script."""
        self.page.get_by_role("button", name=label, exact=True).click()

    def submit(self, label: str = "") -> None:
        """Press the button with this label, or the first one of the main part, and wait for the next page."""
        button = self.page.get_by_role("button", name=label, exact=True) if label else self.page.locator("main button")
        with self.page.expect_navigation():
            button.first.click()

    def follow(self, text: str) -> None:
        """Click the link with this text, and wait for its page."""
        with self.page.expect_navigation():
            self.page.get_by_role("link", name=text, exact=True).click()

    def sign_in(self, email: str, password: str = PASSWORD) -> None:
        self.open("/sign-in")
        self.fill(email=email, password=password)
        self.page.locator("main form .primary").click()
        self.page.wait_for_url(lambda url: urlsplit(url).path != "/sign-in")

    def sign_out(self) -> None:
        self.page.locator("header form button").click()
        self.page.wait_for_url(lambda url: urlsplit(url).path == "/sign-in")

    def add_passkey(self, *, requires_mfa: bool = False) -> None:
        """Add a passkey with the virtual authenticator of the tab."""
        self.open("/account/passkeys")
        if requires_mfa:
            self.page.check("#enable_mfa")
        self.page.locator("[data-kind=passkey]").click()
        self.page.wait_for_selector("#codes, ul.rows")

    def heading(self) -> str:
        return self.page.locator("h1").first.inner_text()

    def path(self) -> str:
        return self.page.url.removeprefix(self.root)

    def language(self) -> str:
        return self.page.locator("html").get_attribute("lang") or ""

    def violations(self) -> list[str]:
        """Return the violations that axe finds. The policy of the page does not apply to the devtools."""
        devtools = self.page.context.new_cdp_session(self.page)
        evaluate(devtools, AXE)
        found = json.loads(evaluate(devtools, RUN_AXE))
        devtools.detach()
        return [f"{rule['id']}: {node['html'][:120]}" for rule in found for node in rule["nodes"]]

    def overflow(self) -> int:
        """Return the number of pixels that the page is wider than the window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return width


@dataclass
class LiveSite:
    """A server on a port of this machine, and a browser."""

    app: Flask
    root: str
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    pages: list[LivePage] = field(default_factory=list)

    @property
    def mailbox(self) -> Mailbox:
        return Mailbox(self.app)

    def new_page(self, **options: Any) -> LivePage:
        """Open a tab of a browser without cookies. The options are those of Playwright's contexts."""
        browser_context = self.browser.new_context(**{"locale": "en-US", "timezone_id": "UTC", **options})
        browser_context.set_default_timeout(60_000)
        self.contexts.append(browser_context)
        self.pages.append(LivePage(browser_context.new_page(), self.root))
        return self.pages[-1]

    def new_user(self, email: str) -> str:
        UserFactory(self.app).create_verified(email)
        return email

    def report_link(self, email: str) -> str:
        """Create a user who signs in from a new network. Return the path of the link in the mail about it."""
        user = UserFactory(self.app).create_verified(email)
        user.login_ok()
        user.login_ok(at=OTHER_IP)
        [notice, _] = self.mailbox.wait(2, to=email)
        link = re.search(r"/auth/report-sign-in#[\w-]{43}", notice["text"])
        assert link
        return link[0]

    def close_pages(self) -> None:
        """Close all tabs. Fail if a page has reported an error."""
        for browser_context in self.contexts:
            browser_context.close()
        messages = [message for page in self.pages for message in page.messages]
        self.contexts.clear()
        self.pages.clear()
        assert messages == []


@contextmanager
def serve(app: Flask, server: Flask, playwright: Playwright) -> Iterator[LiveSite]:
    """Serve an application at the host and port of the server's PUBLIC_URL, and start Chromium."""
    url = urlsplit(server.extensions[context.KEY].public_url)
    http_server = make_server("localhost", url.port or 80, app, threaded=True)
    thread = threading.Thread(target=http_server.serve_forever, daemon=True)
    thread.start()
    browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=["--no-sandbox"])
    try:
        yield LiveSite(server, f"http://{url.netloc}", browser)
    finally:
        browser.close()
        http_server.shutdown()
        http_server.server_close()
        thread.join()


def add_authenticator(page: LivePage) -> tuple[CDPSession, str]:
    """Add a virtual authenticator to a tab. Return the devtools session and its id."""
    devtools = page.page.context.new_cdp_session(page.page)
    devtools.send("WebAuthn.enable")
    added = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return devtools, added["authenticatorId"]


def evaluate(devtools: CDPSession, expression: str) -> Any:
    options = {"expression": expression, "awaitPromise": True, "returnByValue": True}
    result = devtools.send("Runtime.evaluate", options)
    assert "exceptionDetails" not in result, result
    return result["result"].get("value")


def otp(secret: str) -> str:
    return pyotp.TOTP(secret).at(clock.now())


def sign_in_with_error(page: LivePage) -> None:
    page.open("/sign-in")
    page.fill(email="unknown@example.com", password="wrong password")
    page.submit()


def register_with_errors(page: LivePage) -> None:
    page.open("/register")
    page.fill(first_name="http://x", email="grace@example.com", password="password")
    page.submit()


def change_password_with_error(page: LivePage) -> None:
    page.open("/account/password")
    page.fill(current_password="wrong password", password="nine purple ladders")
    page.submit()
