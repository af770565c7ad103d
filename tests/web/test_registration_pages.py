"""The pages /register, /verify, /forgot and /reset."""

from datetime import timedelta

from flask import Flask
from tests.conftest import MakeApp
from tests.support.users import OTHER_IP, PASSWORD, Mailbox, UserFactory, code_in_mail
from tests.web.helpers import EMAIL, Browser, signed_in

from flaskauth.core import clock

FORM = {"email": EMAIL, "password": PASSWORD, "first_name": "Grace", "last_name": ""}
NEW_PASSWORD = "nine purple ladders"
IGNORED = "\u2069"  # a format character, which is removed from email addresses


def test_register_verify_and_sign_in_by_pages(app: Flask, mailbox: Mailbox) -> None:
    browser = Browser(app)

    browser.submit("/register", **FORM, return_to="/shop")
    assert browser.title() == "Verify your email address"
    assert f'value="{EMAIL}" autocomplete="username" dir="ltr" readonly' in browser.page.text
    browser.submit("/verify", otp=mailbox.code(EMAIL))

    assert "Your email address is verified." in browser.page.text
    assert 'name="return_to" value="/shop"' in browser.page.text
    assert browser.page.request.url.endswith("/sign-in?return_to=/shop")
    assert f'value="{EMAIL}"' in browser.page.text
    assert browser.sign_in().status_code == 303


def test_register_page_uses_the_language_of_the_page(app: Flask, mailbox: Mailbox) -> None:
    browser = Browser(app)
    browser.open("/register?lang=fr")

    browser.submit("/register", **FORM)

    assert "Bonjour" in mailbox.wait(to=EMAIL)[0]["text"]


def test_register_page_with_existing_email_looks_the_same(app: Flask) -> None:
    UserFactory(app).create_verified()
    known, unknown = Browser(app), Browser(app)

    pages = [
        browser.submit("/register", **{**FORM, "email": email})
        for browser, email in ((known, EMAIL), (unknown, "other@example.com"))
    ]

    assert pages[0].text == pages[1].text.replace("other@example.com", EMAIL)


def test_register_page_with_weak_password_is_422(app: Flask) -> None:
    page = Browser(app).post("/register", **{**FORM, "password": "password"})

    assert (page.status_code, 'href="#password"' in page.text) == (422, True)


def test_verify_page_with_wrong_code_is_422(app: Flask) -> None:
    browser = Browser(app)
    browser.submit("/register", **FORM)

    page = browser.post("/verify", otp="BCDF-2345")

    assert (page.status_code, "BCDF-2345" in page.text.replace("such as BCDF-2345", "")) == (422, False)


def test_verify_page_in_another_browser_asks_for_email(app: Flask, mailbox: Mailbox) -> None:
    browser, other = Browser(app), Browser(app)
    browser.submit("/register", **FORM)

    assert 'name="email"' in other.open("/verify").text
    email = f" {EMAIL}{IGNORED * 2000} "
    assert other.post("/verify", email=email, otp=mailbox.code(EMAIL)).headers["Location"] == "/sign-in"
    assert f'value="{EMAIL}"' in other.open("/sign-in").text
    assert f'value="{EMAIL}"' not in browser.open("/sign-in").text


def test_verify_page_without_its_cookie_accepts_the_code(app: Flask, mailbox: Mailbox) -> None:
    browser = Browser(app)
    browser.submit("/register", **FORM)
    code = mailbox.code(EMAIL)
    browser.submit("/forgot", email="other@example.com")  # its cookie replaces that of the registration

    assert browser.post("/verify", otp=code).status_code == 303
    assert f'value="{EMAIL}"' in browser.open("/sign-in").text


def test_verify_page_rejects_code_of_another_registration(app: Flask, mailbox: Mailbox) -> None:
    """An attacker who registers the address with a password of their own must not have it verified by its owner."""
    owner, attacker = Browser(app), Browser(app, network=OTHER_IP)
    owner.submit("/register", **FORM)
    own_code = mailbox.code(EMAIL)
    clock.travel(timedelta(minutes=2))
    attacker.submit("/register", **{**FORM, "password": NEW_PASSWORD})
    other_code = mailbox.wait(2, to=EMAIL)[0]

    assert own_code not in other_code["text"]
    assert owner.post("/verify", otp=code_in_mail(other_code)).status_code == 422
    assert owner.post("/verify", otp=own_code).status_code == 303
    assert owner.sign_in(NEW_PASSWORD).status_code == 422
    assert owner.sign_in().status_code == 303


def test_verify_page_links_to_the_development_mailbox(make_app: MakeApp) -> None:
    local = make_app().test_client().get("/verify")
    behind_proxy = make_app().test_client().get("/verify", headers={"X-Forwarded-For": "203.0.113.9"})
    with_smtp = make_app(MAIL_SERVER="localhost").test_client().get("/verify")

    assert [b"/dev/mailbox" in page.data for page in (local, behind_proxy, with_smtp)] == [True, False, False]


def test_verify_page_sends_the_code_again(app: Flask) -> None:
    browser = Browser(app)
    browser.submit("/register", **FORM)

    assert "it is on its way" in browser.submit("/verify/resend").text


def test_reset_page_sets_password_and_ends_session(app: Flask, mailbox: Mailbox) -> None:
    browser = signed_in(app)

    browser.submit("/forgot", email=EMAIL)
    assert browser.title() == "Set a new password"
    assert 'autocomplete="new-password"' in browser.page.text
    browser.submit("/reset", otp=mailbox.code(EMAIL), password=NEW_PASSWORD)

    assert "Sign in with the new password." in browser.page.text
    assert f'value="{EMAIL}"' in browser.page.text
    assert browser.page.request.query_string == b""
    assert browser.cookie("flaskauth") == ""
    assert f'value="{EMAIL}"' in browser.post("/sign-in", password="wrong").text
    assert browser.sign_in(NEW_PASSWORD).status_code == 303
    browser.submit("/sign-out")
    assert f'value="{EMAIL}"' not in browser.open("/sign-in").text


def test_reset_page_in_another_browser_prefills_the_email(app: Flask, mailbox: Mailbox) -> None:
    UserFactory(app).create_verified()
    Browser(app).submit("/forgot", email=EMAIL)
    other = Browser(app)

    other.submit("/reset", email=f"{EMAIL}{IGNORED * 2000}", otp=mailbox.code(EMAIL), password=NEW_PASSWORD)

    assert f'value="{EMAIL}"' in other.page.text


def test_sign_out_removes_the_prefilled_email(app: Flask, mailbox: Mailbox) -> None:
    browser = signed_in(app)
    browser.submit("/register", **{**FORM, "email": "other@example.com"})
    browser.submit("/verify", otp=mailbox.code("other@example.com"))

    browser.submit("/sign-out")

    assert "other@example.com" not in browser.open("/sign-in").text


def test_forgot_page_with_unknown_email_looks_the_same(app: Flask) -> None:
    UserFactory(app).create_verified()

    known = Browser(app).submit("/forgot", email=EMAIL)
    unknown = Browser(app).submit("/forgot", email="other@example.com")

    assert known.text == unknown.text.replace("other@example.com", EMAIL)


def test_reset_page_with_wrong_code_or_weak_password_is_422(app: Flask, mailbox: Mailbox) -> None:
    UserFactory(app).create_verified()
    browser = Browser(app)
    browser.submit("/forgot", email=EMAIL)

    assert browser.post("/reset", otp="BCDF-2345", password=NEW_PASSWORD).status_code == 422
    assert browser.post("/reset", otp=mailbox.code(EMAIL), password="grace").status_code == 422
    assert browser.post("/reset", otp=mailbox.code(EMAIL), password=NEW_PASSWORD).status_code == 303
