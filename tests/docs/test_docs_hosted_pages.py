"""The guide to hosted pages shows the example `examples/pages`, which protects its own pages."""

import contextlib
import runpy
from pathlib import Path

from flask import Flask
from tests.conftest import _stop
from tests.docs.code_blocks import ROOT, block
from tests.support.users import PASSWORD, UserFactory
from tests.web.helpers import EMAIL, SAME_ORIGIN, Browser

from flaskauth.core.context import MOUNTED


def test_pages_guide_shows_the_whole_example() -> None:
    assert block("docs/how-to/use-the-pages.md", "shop") == (ROOT / "examples/pages/shop.py").read_text()


def test_application_of_the_pages_guide_protects_its_pages(tmp_path: Path) -> None:
    commands = block("examples/pages/README.md", "start")
    settings = commands.partition("\n")[0].removeprefix("export ")
    (tmp_path / "shop.py").write_text(block("docs/how-to/use-the-pages.md", "shop"))
    (tmp_path / ".env").write_text(f"{settings}\n")
    with contextlib.chdir(tmp_path):
        app: Flask = runpy.run_path("shop.py")["app"]
        server: Flask = app.extensions[MOUNTED]
        UserFactory(server).create_verified()
    browser = Browser(app)

    assert browser.client.get("/").headers["Location"] == "/accounts/sign-in?return_to=%2F"
    browser.post("/accounts/sign-in", email=EMAIL, password=PASSWORD)
    assert "Hello, Grace" in browser.open("/").text
    assert browser.send("/orders", {"Sec-Fetch-Site": "same-site"}, {}).status_code == 403
    assert browser.send("/orders", SAME_ORIGIN, {}).headers["Location"] == "/orders"
    assert "Orders of Grace: 1" in browser.open("/orders").text
    _stop(server)
