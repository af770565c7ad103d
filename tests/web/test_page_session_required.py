"""`page_session_required`: pages of an application that extends or mounts the server."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from flask import Flask, render_template_string
from flask.views import MethodView
from tests.conftest import MakeApp
from tests.support.users import PASSWORD, UserFactory
from tests.web.helpers import EMAIL, SAME_ORIGIN, Browser

from flaskauth import User, current_user, mount, page_session_required
from flaskauth.core import clock

GREETING = "<p>{{ current_user.first_name }}</p>"


class Shop(MethodView):
    decorators = [page_session_required]  # noqa: RUF012

    def get(self, user: User) -> str:
        return f"shop of {user.first_name}"


class Cart(MethodView):
    @page_session_required
    def get(self, user: User) -> str:
        return f"cart of {user.first_name}"


def add_pages(app: Flask) -> None:
    @app.route("/home", methods=["GET", "POST"])
    @page_session_required
    def home(user: User) -> str:
        return f"{user.first_name} {current_user.email} " + render_template_string(GREETING)

    @app.get("/é/<name>")
    @page_session_required
    def page_outside_ascii(_user: User, name: str) -> str:
        return f"page {name}"

    @app.get("/catalog")
    @page_session_required
    def catalog(_user: User) -> tuple[str, dict[str, str]]:
        return "catalog", {"Cache-Control": "private, max-age=60"}

    @app.get("/welcome")
    def welcome() -> str:
        return str(bool(current_user))

    @app.get("/orders/<int:number>")
    @page_session_required
    async def order(user: User, number: int) -> str:
        return f"order {number} of {user.first_name}"

    app.add_url_rule("/shop", view_func=Shop.as_view("shop"))
    app.add_url_rule("/cart", view_func=Cart.as_view("cart"))


@pytest.fixture(params=["extended", "mounted"])
def host(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    """An application with three own pages, which extends the server or mounts it below /accounts."""
    if request.param == "extended":
        app = server = make_app()
    else:
        app, server = Flask("shop"), make_app(PUBLIC_URL="http://localhost:5000/accounts")
        mount(app, server, "/accounts")
    add_pages(app)
    UserFactory(server).create_verified()
    return app


def prefix(host: Flask) -> str:
    return "/accounts" if host.name == "shop" else ""


def test_own_page_without_session_redirects_and_returns(host: Flask) -> None:
    browser = Browser(host)

    response = browser.client.get("/home?tab=1")

    assert response.status_code == 303
    assert response.headers["Location"] == f"{prefix(host)}/sign-in?return_to=%2Fhome%3Ftab%3D1"
    response = browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD, return_to="/home?tab=1")
    assert response.headers["Location"] == "/home?tab=1"
    assert browser.open("/home?tab=1").text == f"Grace {EMAIL} <p>Grace</p>"


def test_own_page_returns_to_a_path_outside_ascii(host: Flask) -> None:
    browser = Browser(host)
    return_to = "/%C3%A9/a%20%22b%22%3F?x=%C3%A9"

    location = browser.client.get(return_to).headers["Location"]

    assert location == f"{prefix(host)}/sign-in?{urlencode({'return_to': return_to})}"
    browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD, return_to=return_to)
    assert browser.page.headers["Location"] == return_to
    assert browser.open(return_to).text == 'page a "b"?'


def test_own_page_may_be_a_class_method_or_coroutine(host: Flask) -> None:
    browser = Browser(host)
    texts = {"/shop": "shop of Grace", "/cart": "cart of Grace", "/orders/7": "order 7 of Grace"}

    assert [browser.client.get(path).status_code for path in texts] == [303, 303, 303]
    browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD)

    assert {path: browser.open(path).text for path in texts} == texts


def test_own_page_is_not_stored_by_browsers_and_proxies(host: Flask) -> None:
    browser = Browser(host)
    redirect = browser.client.get("/home")
    browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD)

    for response in (redirect, browser.client.get("/home"), browser.client.get("/shop")):
        assert (response.headers["Cache-Control"], "Cookie" in response.vary) == ("no-store", True)


def test_own_page_may_set_its_cache_control(host: Flask) -> None:
    browser = Browser(host)
    browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD)

    assert browser.client.get("/catalog").headers["Cache-Control"] == "private, max-age=60"


def test_own_page_after_sign_out_requires_session(host: Flask) -> None:
    browser = Browser(host)
    browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD)
    cookie = browser.cookie("flaskauth")
    browser.post(f"{prefix(host)}/sign-out")
    browser.client.set_cookie("flaskauth", cookie)

    assert browser.client.get("/home").status_code == 303


def test_sign_out_keeps_what_a_mounting_application_stored(host: Flask) -> None:
    browser = Browser(host)
    browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD)

    headers = browser.post(f"{prefix(host)}/sign-out").headers

    assert headers.get("Clear-Site-Data") == (None if prefix(host) else '"cache", "storage"')


def test_own_page_in_use_keeps_the_session_active(host: Flask) -> None:
    browser = Browser(host)
    browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD)

    for _ in range(3):
        clock.travel(timedelta(days=9))
        assert browser.client.get("/home").status_code == 200


def test_own_page_rejects_form_of_another_origin(host: Flask) -> None:
    browser = Browser(host)
    browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD)

    assert browser.send("/home", {"Sec-Fetch-Site": "cross-site"}, {}).status_code == 403
    assert browser.send("/home", SAME_ORIGIN, {}).status_code == 200


def test_own_page_without_decorator_ignores_the_cookie(host: Flask) -> None:
    browser = Browser(host)
    browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD)

    assert browser.open("/welcome").text == "False"


def test_own_page_of_user_who_must_enrol_opens_its_page(make_app: MakeApp) -> None:
    app = make_app(SECOND_FACTOR="required")
    add_pages(app)
    UserFactory(app).create_verified()
    browser = Browser(app)
    browser.sign_in()

    assert browser.client.get("/home").headers["Location"] == "/account/mfa"


def test_own_page_of_user_with_deletion_opens_its_page(host: Flask) -> None:
    browser = Browser(host)
    browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD)
    browser.post(f"{prefix(host)}/account/delete", understood="1")
    browser.post(f"{prefix(host)}/sign-in", email=EMAIL, password=PASSWORD)

    assert browser.client.get("/home").headers["Location"] == f"{prefix(host)}/account/delete"
