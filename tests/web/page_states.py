"""Every page and error state of the hosted pages, for the checks in Chromium."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

from tests.avatars.sample_images import GIF, MEGABYTE, make_image
from tests.mfa.helpers import STEP
from tests.support.users import PASSWORD
from tests.web.live_site import (
    WITHOUT_AUTOFILL,
    LivePage,
    LiveSite,
    add_authenticator,
    change_password_with_error,
    otp,
    register_with_errors,
    sign_in_with_error,
)

from flaskauth.core import clock

PUBLIC_PAGES = (
    *("/sign-in", "/sign-in/email-code", "/sign-in/email-code/verify"),
    *("/register", "/verify", "/forgot", "/reset", "/sign-out"),
    *("/auth/report-sign-in", f"/auth/report-sign-in#{'x' * 43}"),
)
ACCOUNT_PAGES = (
    *("/account", "/account/profile", "/account/avatar", "/account/email", "/account/email/verify"),
    *("/account/password", "/account/mfa", "/account/passkeys", "/account/recovery-codes", "/account/sessions"),
    *("/account/activity", "/account/export", "/account/delete", "/account/confirm", "/sign-out"),
)
AVATARS = {
    "a file of a wrong type": GIF,
    "a file that is too large": bytes(5 * MEGABYTE + 1),
    "an image": make_image(size=(64, 64)),
}
METHODS = ("passkey", "otp", "recovery_code")
WRONG_CODE = "BCDF-2345"
UNAVAILABLE = "Failed to load resource: the server responded with a status of 503 (SERVICE UNAVAILABLE)"


@dataclass(frozen=True)
class Sites:
    """A site, one that will require second factors, and one without database that accepts one registration a day."""

    usual: LiveSite
    announcing: LiveSite
    unavailable: LiveSite

    def __iter__(self) -> Iterator[LiveSite]:
        return iter((self.usual, self.announcing, self.unavailable))

    def states(self, email: str, language: str = "en", **options: Any) -> Iterator[tuple[str, LivePage]]:
        """Open each page and error state. Yield its name and its tab.

        Args:
            email: the address of a new user.
            options: those of Playwright's contexts.
        """
        usual, announcing, unavailable = (new_page(site, language, options) for site in self)
        for name in public_states(usual, self.usual, email):
            yield name, usual
        usual.sign_in(self.usual.new_user(email))
        for name in chain(account_states(usual, email), factor_states(usual, self.usual, email)):
            yield name, usual
        announcing.sign_in(self.announcing.new_user(email))
        for path in ("/account", "/account/mfa"):
            announcing.open(path)
            assert announcing.page.locator(".warning").is_visible()
            yield f"{path} with a warning", announcing
        for name in unavailable_states(unavailable):
            yield name, unavailable


def new_page(site: LiveSite, language: str, options: dict[str, Any]) -> LivePage:
    """Open a tab in a language."""
    page = site.new_page(locale=language, **options)
    page.page.add_init_script(WITHOUT_AUTOFILL)
    page.open(f"/sign-in?lang={language}")
    return page


def public_states(page: LivePage, site: LiveSite, email: str) -> Iterator[str]:
    """Open each page and error state that requires no session, and yield its name."""
    for path in PUBLIC_PAGES:
        page.open(path)
        yield path
    sign_in_with_error(page)
    yield "/sign-in with error"
    for _ in range(6):
        page.fill(email=f"locked-{email}", password="wrong password")
        page.submit()
    assert page.page.locator(".summary p").is_visible()
    yield "/sign-in during a lockout"
    register_with_errors(page)
    yield "/register with errors"
    page.open("/auth/report-sign-in")
    page.fill(token="expired")
    page.submit()
    yield "link expired"
    page.open(site.report_link(f"reporter-{email}"))
    page.submit()
    yield "link used"
    for path, values in (("/verify", {}), ("/reset", {"password": PASSWORD})):
        page.open(path)
        page.fill(email="unknown@example.com", otp=WRONG_CODE, **values)
        page.submit()
        yield f"{path} with error"
    page.open("/nothing")
    yield "error 404"


def account_states(page: LivePage, email: str) -> Iterator[str]:
    """Open each page and error state of a signed-in user without second factor, and yield its name."""
    for path in ACCOUNT_PAGES:
        page.open(path)
        yield path
    change_password_with_error(page)
    yield "/account/password with error"
    for name, content in AVATARS.items():
        page.open("/account/avatar")
        page.page.set_input_files("#avatar", {"name": "avatar.png", "mimeType": "image/png", "buffer": content})
        page.submit()
        yield f"/account/avatar with {name}"
    page.open("/account/delete")
    page.page.check("#understood")
    page.submit()
    page.sign_in(email)
    yield "deletion scheduled"
    page.submit()
    yield "account restored"


def factor_states(page: LivePage, site: LiveSite, email: str) -> Iterator[str]:
    """Open the pages of a signed-in user who adds factors and loses them, and yield their names."""
    add_authenticator(page)  # until the end of the next DevTools session, such as that of axe
    page.add_passkey()
    yield "new codes"
    page.open("/account/passkeys")
    yield "/account/passkeys with a passkey"
    rename_with_error(page)
    yield "/account/passkeys with error"
    start_app(page)
    yield "new app"
    enrol_app(page)
    yield "/account/mfa with an app"
    rename_with_error(page)
    yield "/account/mfa with error"
    for method in METHODS:
        page.open(f"/account/confirm?method={method}")
        yield f"/account/confirm by {method}"
    page.sign_out()
    page.sign_in(email)
    for method in METHODS:
        page.open(f"/sign-in/second-factor?method={method}")
        yield f"second step by {method}"
    page.fill(recovery_code=WRONG_CODE)
    page.submit()
    yield "second step with error"
    page.open("/sign-in/lost-factor")
    yield "/sign-in/lost-factor"
    page.submit()
    yield "lost factor code"
    page.fill(otp=WRONG_CODE)
    page.submit()
    yield "lost factor code with error"
    page.fill(otp=site.mailbox.code(email))
    page.submit()
    assert page.page.locator("main b time").is_visible()
    yield "lost factor done"


def unavailable_states(page: LivePage) -> Iterator[str]:
    """Open the error pages of a server without database, and yield their names."""
    page.page.context.add_cookies([{"name": "flaskauth", "value": "1.0.0.AAAA", "url": page.root}])
    page.open("/sign-in")
    assert page.page.locator(".summary p").is_visible()
    yield "error 503"
    page.page.context.clear_cookies(name="flaskauth")
    for _ in range(2):
        register_with_errors(page)
    assert page.page.locator(".summary p").is_visible()
    yield "error 429"
    page.messages.remove(UNAVAILABLE)


def start_app(page: LivePage) -> None:
    page.open("/account/mfa")
    with page.page.expect_navigation():
        page.page.locator("form[action$='/account/mfa/apps'] button").click()


def enrol_app(page: LivePage) -> None:
    """Add an authenticator app. The next code is of a new step."""
    clock.travel(STEP - timedelta(seconds=clock.now().timestamp() % STEP.total_seconds()))
    start_app(page)
    secret = page.page.locator("p.key bdi").text_content()
    assert secret
    page.fill(otp=otp(secret))
    with page.page.expect_navigation():
        page.page.locator("form[action$='/confirm'] button").click()
    clock.travel(STEP)


def rename_with_error(page: LivePage) -> None:
    page.page.click("summary")
    form = page.page.locator("form[action$='/rename']")
    form.locator("input").fill("http://x")
    with page.page.expect_navigation():
        form.locator("button").click()
