"""The cookies of the pages: names that other hosts can set, values that others have changed, and earlier sessions."""

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.mfa.helpers import MfaUser
from tests.support.users import PASSWORD, UserFactory
from tests.web.helpers import EMAIL, SAME_ORIGIN, Browser, signed_in

from flaskauth.core.http.request import UNREADABLE

# Browsers let any host of the domain set a cookie whose name begins with a space of Unicode, not with `__Host-`.
SPACES = ("\u2000", "\u3000", "\xa0", "\x85", "\ufeff")
MAX_COOKIE_LENGTH = 4096  # characters of name and value that browsers store


def test_cookie_set_by_another_host_is_ignored(make_app: MakeApp) -> None:
    app = make_app(PUBLIC_URL="https://auth.example.com")
    UserFactory(app).create_verified()
    response = Browser(app).sign_in()
    cookies = dict(item.partition(";")[0].split("=", 1) for item in response.headers.getlist("Set-Cookie"))
    value = cookies["__Host-flaskauth"]

    def status(cookie: str) -> int:
        client = app.test_client(use_cookies=False)
        return client.get("/account", headers={"Cookie": cookie.encode().decode("latin-1")}).status_code

    assert status(f"__Host-flaskauth={value}") == 200
    for space in SPACES:
        assert status(f"{space}__Host-flaskauth={value}") == 303, ascii(space)
        assert status(f"{space}__Host-flaskauth=x; __Host-flaskauth={value}") == 200, ascii(space)
    for name in ("flaskauth", "__host-flaskauth", "__Secure-flaskauth", "=__Host-flaskauth"):
        assert status(f"{name}={value}") == 303, name


@pytest.mark.parametrize("value", ['"a\\000b"', '"a\\015\\012b"', "\xff", "x" * 300, '"\\303\\251"'])
def test_broken_device_cookie_does_not_prevent_sign_in(app: Flask, value: str) -> None:
    UserFactory(app).create_verified()
    client = app.test_client(use_cookies=False)
    headers = {**SAME_ORIGIN, "Cookie": f"flaskauth-device={value}"}

    assert client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD}, headers=headers).status_code == 303
    assert client.post("/forgot", data={"email": EMAIL}, headers=headers).status_code == 303


def test_step_cookie_fits_into_a_browser(make_app: MakeApp) -> None:
    app = make_app(PUBLIC_URL="https://auth.example.com")
    longest, email = "/" + "a" * 1999, f"{'é' * 32}@{'.'.join(['a' * 60] * 2)}.example"
    form = {"email": email, "password": PASSWORD, "first_name": "A", "last_name": ""}

    for return_to in (longest, f"{longest}a", longest.replace("a", '"')):
        response = Browser(app).post("/register", **form, return_to=return_to)
        cookie = response.headers["Set-Cookie"].partition(";")[0]
        assert (response.status_code, len(cookie) < MAX_COOKIE_LENGTH) == (303, True), len(cookie)
        page = app.test_client(use_cookies=False).get("/verify", headers={"Cookie": cookie}).text
        assert f'value="{email}"' in page


def test_sign_in_ends_the_earlier_session_of_the_browser(app: Flask) -> None:
    browser = signed_in(app)
    earlier, other = browser.cookie("flaskauth"), Browser(app)
    other.sign_in()

    browser.sign_in()

    assert browser.client.get("/account").status_code == 200
    assert other.client.get("/account").status_code == 200
    browser.client.set_cookie("flaskauth", earlier)
    assert browser.client.get("/account").status_code == 303


def test_second_step_ends_the_session_of_another_user(app: Flask) -> None:
    user = MfaUser.create(app)
    UserFactory(app).create_verified("other@example.com")
    browser = Browser(app)
    browser.post("/sign-in", email="other@example.com", password=PASSWORD)
    earlier = browser.cookie("flaskauth")

    browser.sign_in()
    assert browser.client.get("/account").status_code == 200
    browser.post("/sign-in/second-factor", otp=user.otp())

    assert EMAIL in browser.open("/account").text
    browser.client.set_cookie("flaskauth", earlier)
    assert browser.client.get("/account").status_code == 303


def test_step_of_one_flow_is_not_accepted_by_another(app: Flask) -> None:
    user = MfaUser.create(app)
    steps = {}
    for path, form in {
        "/sign-in": {"password": PASSWORD},
        "/forgot": {},
        "/register": {"password": PASSWORD, "first_name": "A", "last_name": ""},
    }.items():
        browser = Browser(app)
        browser.post(path, email=user.email, **form)
        steps[path] = browser.cookie("flaskauth-step")

    for path, step in steps.items():
        browser = Browser(app)
        browser.client.set_cookie("flaskauth-step", step)
        for page, is_own in {"/sign-in/second-factor": "/sign-in", "/reset": "/forgot", "/verify": "/register"}.items():
            response = browser.client.get(page)
            assert response.status_code in {200, 303}
            assert (f'value="{user.email}"' in response.text) == (path == is_own), (path, page)


def test_language_cookie_is_set_by_pages_only(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/sign-in?lang=ar")
    asset = page.text.partition('<link rel="stylesheet" href="')[2].partition('"')[0]

    assert "flaskauth-language=ar" in page.headers["Set-Cookie"]
    assert "Set-Cookie" not in client.get(f"{asset}?lang=fr").headers


def test_cookies_that_the_server_cannot_pass_on_are_named(app: Flask) -> None:
    client = app.test_client(use_cookies=False)
    unreadable = {"Cookie": UNREADABLE, **SAME_ORIGIN}
    asset = client.get("/sign-in").text.partition('<link rel="stylesheet" href="')[2].partition('"')[0]

    for method, path in (("GET", "/sign-in"), ("POST", "/sign-in"), ("GET", "/account"), ("POST", "/forgot")):
        response = client.open(path, method=method, headers=unreadable)
        assert (response.status_code, "Delete the cookies of this site" in response.text) == (400, True), (method, path)
    assert client.get(asset, headers=unreadable).status_code == 200


def test_cookie_beside_one_that_is_not_ascii_is_read(app: Flask) -> None:
    value, client = signed_in(app).cookie("flaskauth"), app.test_client(use_cookies=False)

    for other in ("Z\xfcrich", "Z\xc3\xbcrich", '"open', '{"a":"b"}', ""):
        assert client.get("/account", headers={"Cookie": f"city={other}; flaskauth={value}"}).status_code == 200, other
