"""A headless Chromium, controlled over the pipes of its DevTools protocol."""

import json
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.servers.install_chromium import find_chromium

EXECUTABLE = find_chromium()
TIMEOUT = 120  # seconds for a whole browser


class JavaScriptError(AssertionError):
    """A script of a page has thrown this error."""


class ProtocolError(Exception):
    """The browser cannot execute a method."""


class Chromium:
    """A browser with a new profile. Its pages are tabs, which share storage."""

    def __init__(self, profile: Path) -> None:
        assert EXECUTABLE
        commands, self._to_browser = os.pipe()
        self._from_browser, replies = os.pipe()
        # The shell gives the pipes the numbers that --remote-debugging-pipe expects.
        script = f'exec timeout {TIMEOUT} "$@" 3<&{commands} 4>&{replies}'
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
        own_options = ("--remote-debugging-pipe", f"--user-data-dir={profile}")
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", script, "bash", EXECUTABLE, *options, *own_options],
            pass_fds=(commands, replies),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(replies)
        self._buffer = b""
        self._last_id = 0

    def open_page(self, url: str) -> "Page":
        """Open a tab and wait until its scripts have run."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        page.open(url)
        return page

    def call(self, method: str, params: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        """Call a method of the protocol and return its result. Events are skipped."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        os.write(self._to_browser, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while True:
            reply = self._read()
            if reply.get("id") == self._last_id:
                if "error" in reply:
                    raise ProtocolError(reply["error"])
                result: dict[str, Any] = reply["result"]
                return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._from_browser, 2**16)
            assert chunk, f"Chromium has ended or did not respond for {TIMEOUT} seconds"
            self._buffer += chunk
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._to_browser)  # Chromium exits when the pipe closes
        self._process.wait(TIMEOUT)
        os.close(self._from_browser)


class Page:
    """A tab."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session

    def open(self, url: str) -> None:
        """Load a page, and wait until its script has run."""
        self._browser.call("Page.navigate", {"url": url}, self._session)
        self.wait_for("window.auth !== undefined && document.readyState === 'complete'")

    def close(self) -> None:
        self._browser.call("Page.close", {}, self._session)

    def add_authenticator(self, **options: Any) -> str:
        """Add a virtual authenticator that verifies its user and stores passkeys. Return its id."""
        self._browser.call("WebAuthn.enable", {}, self._session)
        defaults = {"protocol": "ctap2", "transport": "internal", "automaticPresenceSimulation": True}
        flags = dict.fromkeys(("hasResidentKey", "hasUserVerification", "isUserVerified"), True)
        params = {"options": {**defaults, **flags, **options}}
        authenticator_id: str = self._browser.call("WebAuthn.addVirtualAuthenticator", params, self._session)[
            "authenticatorId"
        ]
        return authenticator_id

    def run(self, expression: str) -> Any:
        """Evaluate an expression, await it if it is a promise, and return its value."""
        params = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        result = self._browser.call("Runtime.evaluate", params, self._session)
        if details := result.get("exceptionDetails"):
            raise JavaScriptError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait up to 10 seconds until a condition is true."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(JavaScriptError, ProtocolError):  # a navigation interrupts an evaluation
                if self.run(condition):
                    return
            time.sleep(0.02)
        raise AssertionError(f"still false: {condition}\n{self.run('document.body.innerText')}")
