"""The guide to hosted pages: its application protects its own pages."""

import contextlib
import runpy
from pathlib import Path

from flask import Flask
from tests.conftest import _stop
from tests.docs.code_blocks import block
from tests.support.users import PASSWORD, UserFactory
from tests.web.helpers import EMAIL, SAME_ORIGIN, Browser

from flaskauth.core.context import MOUNTED


def test_application_of_the_pages_guide_protects_its_pages(tmp_path: Path) -> None:
    (tmp_path / "pages.py").write_text(block("docs/how-to/use-the-pages.md", "pages"))
    (tmp_path / ".env").write_text("PUBLIC_URL=http://localhost:5000/accounts\n")
    with contextlib.chdir(tmp_path):
        app: Flask = runpy.run_path("pages.py")["app"]
        server: Flask = app.extensions[MOUNTED]
        UserFactory(server).create_verified()
    browser = Browser(app)

    assert browser.client.get("/home").headers["Location"] == "/accounts/sign-in?return_to=%2Fhome"
    browser.post("/accounts/sign-in", email=EMAIL, password=PASSWORD)
    assert browser.open("/home").text.startswith(f"<p>{EMAIL}</p>")
    assert browser.send("/order", SAME_ORIGIN, {}).text == "Ordered for Grace"
    assert browser.send("/order", {"Sec-Fetch-Site": "same-site"}, {}).status_code == 403
    _stop(server)
