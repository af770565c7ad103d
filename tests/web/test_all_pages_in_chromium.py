"""The hosted pages in Chromium: more ways through them, and axe on every page and state.

`make test-slow SUITE=browser` runs it.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import Environment
from PIL import Image
from playwright.sync_api import Playwright
from tests.conftest import _create_app, _stop
from tests.servers import free_port
from tests.support.chromium import EXECUTABLE
from tests.support.users import PASSWORD
from tests.web.live_site import DESKTOP, PHONE, LiveSite, Scheme, serve
from tests.web.page_states import Sites

from flaskauth.core import clock
from flaskauth.web import rendering

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(EXECUTABLE is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module", autouse=True)  # before Playwright
def live_apps(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Flask]]:
    """The servers of the sites that announce second factors and have no database."""
    folder, apps = tmp_path_factory.mktemp("live"), list[Flask]()
    (folder / "test.db").write_bytes(sqlite_template.read_bytes())
    first_day = (clock.now() + timedelta(days=2)).date()
    for database, settings in (
        (f"sqlite:///{folder}/test.db", {"SECOND_FACTOR": "required", "SECOND_FACTOR_FROM": str(first_day)}),
        ("sqlite:////no/such/folder/test.db", {"RATE_LIMIT_REGISTER": "1/day"}),
    ):
        apps.append(_create_app(database, folder, {"PUBLIC_URL": f"http://localhost:{free_port()}", **settings}))
    yield apps
    for app in apps:
        _stop(app)


@pytest.fixture(scope="module")
def live_sites(live: LiveSite, live_apps: list[Flask], playwright: Playwright) -> Iterator[Sites]:
    with ExitStack() as stack:
        yield Sites(live, *(stack.enter_context(serve(app, app, playwright)) for app in live_apps))


@pytest.fixture
def sites(live_sites: Sites) -> Iterator[Sites]:
    """The sites. After the test no page may have reported an error."""
    yield live_sites
    for site in live_sites:
        site.close_pages()


def record_templates(sites: Sites) -> Environment:
    """Let the sites use an environment of their own, whose cache contains the templates that they render."""
    with sites.usual.app.app_context():
        environment = rendering.environment().overlay()
    for site in sites:
        site.app.extensions[rendering.EXTENSION_KEY] = environment
    return environment


def test_without_scripts_user_signs_in_with_a_mailed_code(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js9@example.com")
    page.open("/sign-in?return_to=/account/sessions")
    page.follow("Sign in with a code by mail")
    page.fill(email=email)
    page.submit()
    page.fill(otp="BCDF-2345")
    page.submit()
    assert page.page.locator(".summary").is_visible()
    page.fill(otp=site.mailbox.code(email))
    page.submit()

    assert page.path() == "/account/sessions"


def test_without_scripts_user_pastes_the_link_of_a_mail(site: LiveSite) -> None:
    page, link = site.new_page(java_script_enabled=False), site.report_link("js10@example.com")
    page.open(link)
    page.fill(token=site.root + link)
    page.submit()

    assert page.heading() == "Done"


def test_without_scripts_user_edits_the_profile(site: LiveSite, tmp_path: Path) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js4@example.com")
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "avatar.png")
    page.sign_in(email)
    page.open("/account/profile")
    page.fill(first_name="Ada")
    page.page.select_option("#country", "NG")
    page.submit()
    assert page.page.locator(".notice").inner_text() == "Your changes are saved."
    page.open("/account/avatar")
    page.page.set_input_files("#avatar", tmp_path / "avatar.png")
    page.submit()

    width = page.page.locator(".person img").bounding_box()
    assert width
    assert width["width"] == 64


def test_without_scripts_user_changes_the_email(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js5@example.com")
    page.sign_in(email)
    page.open("/account/email")
    page.fill(email="js5-new@example.com")
    page.submit()
    page.fill(otp=site.mailbox.code("js5-new@example.com"))
    page.submit()

    assert "js5-new@example.com" in page.page.locator("main").inner_text()


def test_without_scripts_user_ends_other_sessions(site: LiveSite) -> None:
    page, other = site.new_page(java_script_enabled=False), site.new_page(java_script_enabled=False)
    email = site.new_user("js6@example.com")
    for tab in (page, other):
        tab.sign_in(email)
    page.open("/account/sessions")
    page.submit("End all other sessions")
    other.open("/account")

    assert (page.path(), other.path()) == ("/account/sessions", "/sign-in?return_to=%2Faccount")


def test_without_scripts_user_deletes_and_restores(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js7@example.com")
    page.sign_in(email)
    page.open("/account/delete")
    page.page.check("#understood")
    page.submit("Delete the account")
    assert page.path() == "/sign-in"
    page.sign_in(email)
    page.submit("Keep the account")

    assert page.page.locator(".notice").inner_text() == "Your account is restored."


def test_without_scripts_arabic_page_is_right_to_left(site: LiveSite) -> None:
    page, email = site.new_page(java_script_enabled=False), site.new_user("js8@example.com")
    page.open("/sign-in?return_to=/account/sessions")
    page.follow("العربية")
    page.fill(email=email, password=PASSWORD)
    page.submit()

    assert page.path() == "/account/sessions"
    assert page.page.evaluate("[document.dir, getComputedStyle(document.body).direction]") == ["rtl", "rtl"]


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_page_state_has_no_axe_violations(
    sites: Sites, language: str, scheme: Scheme, size: dict[str, int]
) -> None:
    email, templates = f"axe-{language}-{scheme}-{size['width']}@example.com", record_templates(sites)
    found = {}
    for name, page in sites.states(email, language, color_scheme=scheme, viewport=size, reduced_motion="reduce"):
        if violations := page.violations():
            found[name] = violations
        assert page.language() == language, name
        assert page.overflow() <= 0, name

    assert found == {}
    assert templates.cache
    assert {name for _, name in templates.cache} == set(rendering.builtin_pages())


@pytest.mark.parametrize("text_size", [16, 32], ids=["normal text", "200 % text"])
def test_every_page_state_fits_320_pixels(sites: Sites, text_size: int) -> None:
    wide = {}
    for name, page in sites.states(f"narrow-{text_size}@example.com", viewport={"width": 320, "height": 640}):
        page.page.evaluate(f"document.documentElement.style.fontSize = '{text_size}px'")
        if (pixels := page.overflow()) > 0:
            wide[name] = pixels

    assert wide == {}
