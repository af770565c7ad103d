"""Write the images of the hosted pages in docs/images, with a fixed clock and data: `make screenshots`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import segno
from playwright.sync_api import Route, sync_playwright
from tests.support.users import PASSWORD
from tests.web.live_site import LivePage, LiveSite, Scheme, add_authenticator, serve

from flaskauth import create_app
from flaskauth.core import clock
from flaskauth.settings import Settings

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PORT = 5790
NOW = datetime(2031, 1, 10, 9, 41, tzinfo=UTC)  # in the future, so that browsers keep the cookies
EMAIL = "grace@example.com"
URI = f"otpauth://totp/Example:{EMAIL}?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example"
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
DESKTOP, PHONE = {"width": 860, "height": 640}, {"width": 390, "height": 760}


@dataclass(frozen=True)
class Screenshot:
    """An image: its file, what is shown and how."""

    name: str
    show: Callable[[LivePage], None]
    scheme: Scheme = "light"
    size: dict[str, int] | None = None
    language: str = "en"


def sign_in(page: LivePage) -> None:
    page.open("/sign-in")
    page.fill(email=EMAIL, password=PASSWORD)
    page.page.click("main form .primary")
    page.page.wait_for_url("**/account")


def show_sign_in(page: LivePage) -> None:
    page.open("/sign-in")


def show_app(page: LivePage) -> None:
    """Show a new app. The QR code is the same each time; that of the server is random."""
    sign_in(page)
    page.page.route("**/account/mfa/apps", replace_qr_code)
    page.open("/account/mfa")
    page.page.click("form[action$='/account/mfa/apps'] button")
    page.page.wait_for_selector(".qr")


def replace_qr_code(route: Route) -> None:
    response = route.fetch()
    svg = segno.make(URI, error="m").svg_inline(scale=4, light="#fff", omitsize=True)
    route.fulfill(response=response, body=re.sub(r"<svg.*?</svg>", svg, response.text(), flags=re.DOTALL))


SCREENSHOTS = (
    Screenshot("pages-sign-in", show_sign_in),
    Screenshot("pages-account", sign_in),
    Screenshot("pages-account-dark", sign_in, scheme="dark"),
    Screenshot("pages-add-app", show_app),
    Screenshot("pages-phone", show_sign_in, size=PHONE),
    Screenshot("pages-phone-ar", show_sign_in, size=PHONE, language="ar"),
)


def write(site: LiveSite, shot: Screenshot) -> None:
    options = {"viewport": shot.size or DESKTOP, "color_scheme": shot.scheme, "user_agent": USER_AGENT}
    page = site.new_page(**options, device_scale_factor=1.5)
    page.open(f"/sign-in?lang={shot.language}")
    shot.show(page)
    page.page.screenshot(path=IMAGES / f"{shot.name}.png", full_page=True, animations="disabled")


def add_passkey(site: LiveSite) -> None:
    page = site.new_page(user_agent=USER_AGENT)
    add_authenticator(page)
    sign_in(page)
    page.open("/account/passkeys")
    page.fill(name="Laptop")
    page.press("Add a passkey")
    page.page.wait_for_selector("#codes")


def main() -> None:
    """Serve a new installation with one user, and take the screenshots."""
    clock.travel(NOW - clock.now())
    with TemporaryDirectory() as folder:
        environ = {
            "FLASKAUTH_ENV": "development",
            "FLASKAUTH_INSTANCE_PATH": folder,
            "PUBLIC_URL": f"http://localhost:{PORT}",
            "APP_NAME": "Example",
        }
        app = create_app(Settings.load(environ, Path(folder, "no.env")))
        with sync_playwright() as playwright, serve(app, app, playwright) as site:
            site.new_user(EMAIL)
            add_passkey(site)
            for shot in SCREENSHOTS:
                write(site, shot)
            site.close_pages()


if __name__ == "__main__":
    main()
