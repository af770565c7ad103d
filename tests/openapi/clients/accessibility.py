"""Check the API page with axe in Chromium, in both colour schemes: `accessibility.py URL AXE_SCRIPT CHROMIUM`."""

import json
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, CDPSession, sync_playwright

URL, AXE, CHROMIUM = sys.argv[1:]
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
OPENED = (0, 3, 9, 25)  # operations of each method
OPEN = """
const click = (selector, indexes) => {
  const elements = document.querySelectorAll(selector);
  for (const index of indexes) elements[index].click();
};
"""
RUN_AXE = "axe.run(document, {resultTypes: ['violations']}).then((result) => JSON.stringify(result.violations))"


def violations(browser: Browser, scheme: Scheme) -> list[str]:
    """Return the serious and critical violations of the page, with operations and with the dialog."""
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{URL}/docs")
    page.wait_for_selector(".opblock")
    devtools = context.new_cdp_session(page)  # the CSP of the page does not apply to it
    devtools.send("Runtime.evaluate", {"expression": Path(AXE).read_text() + OPEN})
    found = run_axe(devtools)
    devtools.send("Runtime.evaluate", {"expression": f"click('.opblock-summary-control', {list(OPENED)})"})
    page.wait_for_selector(".btn.execute")
    devtools.send("Runtime.evaluate", {"expression": "click('.btn.execute', [0]); click('.btn.authorize', [0])"})
    page.wait_for_selector(".modal-ux")
    page.wait_for_timeout(2000)  # transitions of colours
    return [*found, *run_axe(devtools)]


def run_axe(devtools: CDPSession) -> list[str]:
    options = {"expression": RUN_AXE, "awaitPromise": True, "returnByValue": True}
    result = json.loads(devtools.send("Runtime.evaluate", options)["result"]["value"])
    return [
        f"{rule['id']}: {node['html'][:100]}: {node['failureSummary'][:200]}"
        for rule in result
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


with (
    sync_playwright() as playwright,
    playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
):
    found = [f"{scheme}: {violation}" for scheme in SCHEMES for violation in violations(browser, scheme)]
sys.exit("\n".join(found) or None)
