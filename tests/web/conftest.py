"""Fixtures of the tests with Chromium: a server with the hosted pages and a browser, once for each module."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Playwright, sync_playwright
from tests.conftest import _create_app, _stop
from tests.servers import free_port
from tests.web.live_site import LiveSite, serve


@pytest.fixture(scope="module")
def live_app(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("live")
    (folder / "test.db").write_bytes(sqlite_template.read_bytes())
    settings = {"PUBLIC_URL": f"http://localhost:{free_port()}", "RATE_LIMIT_FACTOR": "1000"}
    app = _create_app(f"sqlite:///{folder}/test.db", folder, {**settings, "RATE_LIMIT_MAIL": "9000/hour"})
    yield app
    _stop(app)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright. Its event loop runs in this thread until the end of the module, so create applications before."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def live(live_app: Flask, playwright: Playwright) -> Iterator[LiveSite]:
    with serve(live_app, live_app, playwright) as site:
        yield site


@pytest.fixture
def site(live: LiveSite) -> Iterator[LiveSite]:
    """The site. After the test no page may have reported an error."""
    yield live
    live.close_pages()
