"""The pages /sign-in/email-code and /sign-in/email-code/verify."""

from flask import Flask
from tests.conftest import MakeApp
from tests.mfa.helpers import MfaUser
from tests.support.inspect import single_event
from tests.support.users import Mailbox, UserFactory
from tests.web.helpers import EMAIL, Browser

PAGE, CODE_PAGE = "/sign-in/email-code", "/sign-in/email-code/verify"


def test_email_sign_in_pages_start_a_session(app: Flask, mailbox: Mailbox) -> None:
    UserFactory(app).create_verified()
    browser = Browser(app)

    assert f'href="{PAGE}?return_to=%2Fshop"' in browser.open("/sign-in?return_to=/shop").text
    browser.submit(PAGE, email=EMAIL, return_to="/shop")
    assert f'value="{EMAIL}" autocomplete="username"' in browser.page.text
    response = browser.post(CODE_PAGE, otp=mailbox.code(EMAIL).lower())

    assert (response.status_code, response.headers["Location"]) == (303, "/shop")
    assert browser.open("/account").status_code == 200
    assert single_event(app, "sign_in").details["amr"] == "email"


def test_email_sign_in_page_with_unknown_email_is_same(app: Flask) -> None:
    UserFactory(app).create_verified()

    known, unknown = (Browser(app).submit(PAGE, email=email) for email in (EMAIL, "other@example.com"))

    assert (known.status_code, known.text) == (200, unknown.text.replace("other@example.com", EMAIL))


def test_email_sign_in_page_with_wrong_code_is_422(app: Flask, mailbox: Mailbox) -> None:
    UserFactory(app).create_verified()
    browser = Browser(app)
    browser.submit(PAGE, email=EMAIL)

    assert browser.post(CODE_PAGE, otp="BCDF-2345").status_code == 422
    assert "The code is wrong, used or expired." in browser.page.text
    assert browser.cookie("flaskauth") == ""
    assert browser.post(CODE_PAGE, otp=mailbox.code(EMAIL)).status_code == 303


def test_email_sign_in_page_in_another_browser_asks_email(app: Flask, mailbox: Mailbox) -> None:
    UserFactory(app).create_verified()
    Browser(app).submit(PAGE, email=EMAIL)
    other = Browser(app)

    assert 'name="email"' in other.open(CODE_PAGE).text
    assert other.post(CODE_PAGE, email=EMAIL, otp=mailbox.code(EMAIL)).headers["Location"] == "/account"


def test_email_sign_in_page_with_mfa_on_leads_to_second_step(app: Flask, mailbox: Mailbox) -> None:
    user = MfaUser.create(app)
    browser = Browser(app)
    browser.submit(PAGE, email=EMAIL, return_to="/shop")

    page = browser.submit(CODE_PAGE, otp=mailbox.code(EMAIL), stay="1")

    assert f'value="{EMAIL}" autocomplete="username"' in page.text
    assert browser.cookie("flaskauth") == ""
    response = browser.post("/sign-in/second-factor", method="recovery_code", recovery_code=user.recovery_codes[0])
    assert response.headers["Location"] == "/shop"
    assert "Expires" in next(item for item in response.headers.getlist("Set-Cookie") if item.startswith("flaskauth="))


def test_email_sign_in_pages_are_404_unless_enabled(make_app: MakeApp) -> None:
    browser = Browser(make_app(EMAIL_SIGN_IN=""))

    statuses = [browser.open(path).status_code for path in (PAGE, CODE_PAGE)]
    statuses += [browser.post(path, email=EMAIL, otp="BCDF-2345").status_code for path in (PAGE, CODE_PAGE)]

    assert statuses == [404] * 4
    assert "email-code" not in browser.open("/sign-in").text
