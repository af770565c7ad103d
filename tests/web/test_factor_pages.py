"""The pages /account/mfa, /account/recovery-codes, /account/passkeys and /sign-in/lost-factor."""

import html
import json
import re
from datetime import timedelta

import pyotp
from flask import Flask
from tests.conftest import MakeApp
from tests.mfa.helpers import STEP, MfaUser
from tests.support.inspect import single_event
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.users import PASSWORD, Mailbox, UserFactory
from tests.web.helpers import EMAIL, Browser, signed_in

from flaskauth.core import clock


def otp(secret: str) -> str:
    return pyotp.TOTP(secret).at(clock.now())


def add_app(browser: Browser) -> str:
    """Add an authenticator app on its page, and return the secret."""
    clock.travel(STEP - timedelta(seconds=clock.now().timestamp() % STEP.total_seconds()))  # no step ends soon
    text = browser.post("/account/mfa/apps", name="Phone").text
    secret, action = re.search(r"secret=([A-Z2-7]{32})", text), confirm_action(text)
    assert secret
    browser.submit(action, otp=otp(secret[1]), name="Phone")
    return secret[1]


def confirm_action(text: str) -> str:
    action = re.search(r'action="(/account/mfa/apps/\d+/confirm)"', text)
    assert action
    return action[1]


def options_in(text: str) -> dict[str, object]:
    """Return the WebAuthn options in a page."""
    match = re.search(r'data-options="([^"]+)"', text)
    assert match, text
    options: dict[str, object] = json.loads(html.unescape(match[1]))
    return options


def add_passkey(browser: Browser, kind: str = "passkey", **data: str) -> SoftAuthenticator:
    authenticator = SoftAuthenticator()
    options = browser.post("/account/passkeys/options", kind=kind).get_json()["options"]
    credential = json.dumps(authenticator.create(options))
    browser.submit("/account/passkeys", credential=credential, name="Laptop", **data)
    assert browser.page.status_code == 200, browser.page.text
    return authenticator


def test_mfa_page_adds_an_app_and_shows_codes_once(app: Flask) -> None:
    browser = signed_in(app)

    secret = add_app(browser)

    assert browser.title() == "Save your recovery codes"
    assert len(re.findall(r"<li>[A-Z2-9]{4}(?:-[A-Z2-9]{4}){3}</li>", browser.page.text)) == 10
    assert "?lang=" not in browser.page.text  # a page in another language would not have the codes
    text = browser.open("/account/mfa").text
    assert (">Phone<" in text, secret in text) == (True, False)
    assert "Codes left: 10" in text
    assert Browser(app).sign_in().headers["Location"] == "/sign-in/second-factor"


def test_adding_an_app_twice_shows_the_same_secret(app: Flask) -> None:
    browser = signed_in(app)

    pages = [browser.post("/account/mfa/apps", name="Phone").text for _ in range(2)]
    wrong = browser.post(confirm_action(pages[0]), otp="000000", name="Phone")

    assert wrong.status_code == 422
    secrets = {re.findall(r"[A-Z2-7]{32}", text)[0] for text in (*pages, wrong.text)}
    assert len(secrets) == 1


def test_adding_an_app_after_five_wrong_codes_starts_again(app: Flask) -> None:
    browser = signed_in(app)
    action = confirm_action(browser.post("/account/mfa/apps", name="Phone").text)

    pages = [browser.post(action, otp="000000", name="Phone") for _ in range(6)]

    assert {page.status_code for page in pages} == {422}
    assert "Add an authenticator app" in pages[-1].text
    assert "Scan this image" not in pages[-1].text


def test_mfa_page_tells_the_offset_of_a_wrong_clock(app: Flask) -> None:
    browser = signed_in(app)
    text = browser.post("/account/mfa/apps", name="Phone").text
    secret = re.findall(r"[A-Z2-7]{32}", text)[0]

    page = browser.post(confirm_action(text), otp=pyotp.TOTP(secret).at(clock.now() + 4 * STEP), name="Phone")

    assert re.search(r"differs by (90|120|150) seconds", page.text)


def test_mfa_page_renames_and_removes_an_app(app: Flask) -> None:
    browser = signed_in(app)
    add_app(browser)
    path = re.findall(r'action="(/account/mfa/apps/\d+)/rename"', browser.open("/account/mfa").text)[0]

    browser.submit(f"{path}/rename", name="Tablet")
    assert ">Tablet<" in browser.page.text
    browser.submit(f"{path}/remove")

    assert "The second factor is removed." in browser.page.text
    assert ">Tablet<" not in browser.page.text
    assert browser.post(f"{path}/remove").status_code == 422


def test_failed_rename_shows_the_error_at_its_input_only(app: Flask) -> None:
    browser = signed_in(app)
    add_app(browser)
    add_passkey(browser)

    for page, field in (("/account/mfa", "Name of the new app"), ("/account/passkeys", "Name of the passkey")):
        path = re.findall(r'action="(\S+/rename)"', browser.open(page).text)[0]
        text = browser.post(path, name="x" * 65).text
        form = text.partition(f'action="{path}"')[2].partition("</form>")[0]
        other = text.partition(field)[2].partition("</form>")[0]
        assert "<details open>" in text
        assert ('id="name"' in form, "x" * 65 in form, 'aria-invalid="true"' in form) == (True, True, True), page
        assert ("x" * 65 in other, "aria-invalid" in other) == (False, False), page


def test_every_link_of_an_error_summary_leads_to_an_input(app: Flask) -> None:
    browser = signed_in(app)
    public = ("/sign-in", "/register", "/verify", "/forgot", "/reset")
    account = ("profile", "email", "email/verify", "password", "confirm", "delete", "mfa/apps", "passkeys")

    for path in (*public, *(f"/account/{name}" for name in account)):
        text = browser.post(path, first_name="http://x").text
        links = set(re.findall(r'<li><a href="#([^"]+)"', text))
        inputs = re.findall(r'<(?:input|button)[^>]* id="([^"]+)"', text)
        assert links, path
        assert (links <= set(inputs), len(inputs) == len(set(inputs))) == (True, True), path


def test_mfa_page_turns_the_requirement_off_and_on(app: Flask) -> None:
    browser = signed_in(app)
    add_app(browser)

    assert "Sign-ins no longer require a second factor." in browser.submit("/account/mfa/off").text
    assert Browser(app).sign_in().headers["Location"] == "/account"
    assert "Each sign-in now requires a second factor." in browser.submit("/account/mfa/on").text
    assert browser.post("/account/mfa/maybe").status_code == 405


def test_recovery_codes_page_replaces_the_codes(app: Flask) -> None:
    browser = signed_in(app)
    assert browser.post("/account/recovery-codes").status_code == 422
    add_app(browser)
    old = re.findall(r"<li>(\S+)</li>", browser.page.text)

    new = re.findall(r"<li>(\S+)</li>", browser.submit("/account/recovery-codes").text)

    assert (len(new), set(new) & set(old)) == (10, set())
    other = Browser(app)
    other.sign_in()
    assert other.post("/sign-in/second-factor", recovery_code=old[0]).status_code == 422
    assert other.post("/sign-in/second-factor", recovery_code=new[0]).status_code == 303


def test_passkeys_page_adds_passkey_that_signs_in(app: Flask) -> None:
    browser = signed_in(app)
    browser.client.environ_base["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"
    assert 'value="Firefox (Linux)"' in browser.open("/account/passkeys").text
    authenticator = add_passkey(browser)
    assert browser.title() == "Save your recovery codes"
    assert ">Laptop<" in browser.open("/account/passkeys").text
    for path in ("/account", "/account/passkeys"):
        accepted = re.search(r'data-accepted="([^"]+)"', browser.open(path).text)
        assert accepted, path
        assert len(json.loads(html.unescape(accepted[1]))["allAcceptedCredentialIds"]) == 1

    other = Browser(app)
    options = other.client.post("/auth/passkeys/options").get_json()["options"]
    response = other.post("/sign-in/passkey", credential=json.dumps(authenticator.get(options)), return_to="/shop")

    assert (response.status_code, response.headers["Location"]) == (303, "/shop")
    assert other.open("/account/mfa").status_code == 200


def test_form_with_a_passkey_sent_twice_adds_one(app: Flask) -> None:
    browser = signed_in(app)
    options = browser.post("/account/passkeys/options", kind="passkey").get_json()["options"]
    form = {"credential": json.dumps(SoftAuthenticator().create(options)), "name": "Laptop"}

    statuses = [browser.post("/account/passkeys", **form).status_code for _ in range(2)]

    assert statuses == [200, 422]
    assert browser.open("/account/passkeys").text.count(">Laptop<") == 1


def test_sign_in_page_with_invalid_passkey_is_422(app: Flask) -> None:
    browser = Browser(app)

    for credential in ("", "{", "[]", "{}", '{"id": "AA"}', "x" * 20_000):
        page = browser.post("/sign-in/passkey", credential=credential)
        assert (page.status_code, "This passkey was not accepted." in page.text) == (422, True), credential


def test_passkeys_page_with_enable_mfa_requires_it(app: Flask) -> None:
    browser = signed_in(app)
    authenticator = add_passkey(browser, enable_mfa="1")
    other = Browser(app)

    assert other.sign_in().headers["Location"] == "/sign-in/second-factor"
    page = other.open("/sign-in/second-factor")
    assert "Use a recovery code" in page.text
    credential = json.dumps(authenticator.get(options_in(page.text)))
    assert other.post("/sign-in/second-factor", passkey=credential).status_code == 303
    assert other.post("/sign-in/second-factor", passkey=credential).headers["Location"] == "/sign-in"


def test_confirmation_with_passkey_alone_is_accepted(app: Flask) -> None:
    browser = signed_in(app)
    authenticator = add_passkey(browser)
    clock.travel(timedelta(minutes=11))

    page = browser.open("/account/passkeys").text
    credential = json.dumps(authenticator.get(options_in(page)))

    assert browser.post("/account/confirm", passkey=credential, password="").status_code == 303
    assert browser.client.get("/account/passkeys").status_code == 200


def test_page_that_needs_a_passkey_explains_its_requirements(app: Flask) -> None:
    browser = signed_in(app)
    add_passkey(browser, enable_mfa="1")
    requirements = ('<noscript><p class="warning">Passkeys need JavaScript.', "data-without-passkeys hidden>")

    pages = [browser.open("/account/passkeys").text]
    clock.travel(timedelta(minutes=11))
    pages.append(browser.open("/account/confirm").text)
    other = Browser(app)
    other.sign_in()
    pages.append(other.open("/sign-in/second-factor").text)

    assert [[text in page for text in requirements] for page in pages] == [[True, True]] * 3


def test_confirmation_with_a_key_of_mfa_needs_no_password(app: Flask) -> None:
    browser = signed_in(app)
    add_passkey(browser, enable_mfa="1")
    clock.travel(timedelta(minutes=11))

    page = browser.open("/account/passkeys").text

    assert "A passkey needs no password. A security key does." in page
    [password] = re.findall('<input id="password"[^>]*>', page)
    assert " required" not in password


def test_passkeys_page_renames_and_removes_a_key(app: Flask) -> None:
    browser = signed_in(app)
    add_passkey(browser, "security_key")
    text = browser.open("/account/passkeys").text
    assert "Security key" in text
    path = re.findall(r'action="(/account/passkeys/\d+)/rename"', text)[0]

    assert ">Key<" in browser.submit(f"{path}/rename", name="Key").text
    assert "No passkey yet." in browser.submit(f"{path}/remove").text


def test_passkey_of_another_session_is_rejected(app: Flask) -> None:
    browser = signed_in(app)
    other = Browser(app)
    other.sign_in()
    options = other.post("/account/passkeys/options", kind="passkey").get_json()["options"]

    page = browser.post("/account/passkeys", credential=json.dumps(SoftAuthenticator().create(options)), name="x")

    assert (page.status_code, "The credential is invalid." in page.text) == (422, True)


def test_password_page_removes_password_with_passkeys(app: Flask) -> None:
    browser = signed_in(app)
    add_passkey(browser)
    add_passkey(browser)

    assert "Remove the password" in browser.open("/account/password").text
    browser.submit("/account/password/remove")

    assert "Your password was removed." in browser.page.text
    assert Browser(app).sign_in().status_code == 422
    assert "Set a password" in browser.open("/account/password").text


def test_password_page_requires_a_passkey_to_remove_it(app: Flask) -> None:
    browser = signed_in(app)
    add_passkey(browser)
    add_passkey(browser)
    browser.post("/account/confirm", password=PASSWORD)

    response = browser.post("/account/password/remove")

    assert response.headers["Location"] == "/account/confirm?return_to=%2Faccount"
    assert "Confirm with a passkey" in browser.open("/account/confirm").text


def test_lost_factor_pages_schedule_the_removal(app: Flask, mailbox: Mailbox) -> None:
    MfaUser.create(app)
    browser = Browser(app)
    browser.sign_in()
    assert "/sign-in/lost-factor" in browser.open("/sign-in/second-factor").text

    browser.submit("/sign-in/lost-factor")
    assert browser.post("/sign-in/lost-factor/code", otp="BCDF-2345").status_code == 422
    page = browser.post("/sign-in/lost-factor/code", otp=mailbox.code(EMAIL))

    assert (page.status_code, "They are removed at this time:" in page.text) == (200, True)
    single_event(app, "factor_reset_requested")


def test_lost_factor_page_without_sign_in_starts_again(make_app: MakeApp) -> None:
    browser = Browser(make_app())

    assert browser.client.get("/sign-in/lost-factor").headers["Location"] == "/sign-in"
    assert browser.post("/sign-in/lost-factor").headers["Location"] == "/sign-in"
    assert browser.client.get("/sign-in/lost-factor/code").headers["Location"] == "/sign-in"
    assert make_app(FACTOR_RESET_DELAY="0").test_client().get("/sign-in/lost-factor").status_code == 404


def test_required_second_factor_allows_only_its_pages(make_app: MakeApp) -> None:
    app = make_app(SECOND_FACTOR="required")
    UserFactory(app).create_verified()
    browser = Browser(app)
    browser.sign_in()

    assert browser.open("/account").request.path == "/account/mfa"
    assert browser.open("/account/profile").request.path == "/account/mfa"
    assert browser.open("/account/sessions").status_code == 200
    assert 'name="enable_mfa"' not in browser.open("/account/passkeys").text
    assert (
        browser.post("/account/password", current_password=PASSWORD, password="x").headers["Location"] == "/account/mfa"
    )
    add_app(browser)
    assert browser.open("/account/profile").request.path == "/account/profile"
    assert browser.post("/account/mfa/off").status_code == 422
