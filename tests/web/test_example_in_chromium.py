"""The example `examples/pages` in Chromium. `make test-slow SUITE=browser` runs it."""

import contextlib
import runpy
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Playwright
from tests.conftest import _stop
from tests.docs.code_blocks import ROOT
from tests.servers import free_port
from tests.support.chromium import EXECUTABLE
from tests.support.users import PASSWORD, UserFactory
from tests.web.live_site import serve

from flaskauth.core.context import MOUNTED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The example with a user."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / ".env").write_text(f"PUBLIC_URL=http://localhost:{free_port()}/accounts\n")
    (folder / "shop.py").write_text((ROOT / "examples/pages/shop.py").read_text())
    with contextlib.chdir(folder):
        shop: Flask = runpy.run_path("shop.py")["app"]
        UserFactory(shop.extensions[MOUNTED]).create_verified()
    yield shop
    _stop(shop.extensions[MOUNTED])


def test_example_with_own_pages_signs_in_and_out(shop: Flask, playwright: Playwright) -> None:
    with serve(shop, shop.extensions[MOUNTED], playwright) as site:
        page = site.new_page()
        page.open("/")
        page.fill(email="grace@example.com", password=PASSWORD)
        page.submit("Sign in")
        assert (page.path(), page.heading()) == ("/", "Hello, Grace")
        page.submit("Order a kettle")
        assert (page.path(), page.heading()) == ("/orders", "Orders of Grace: 1")
        page.open("/")
        page.submit("Sign out")
        page.open("/orders")
        assert page.path() == "/accounts/sign-in?return_to=%2Forders"
        site.close_pages()
