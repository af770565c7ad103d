"""The server mounted in somebody's own application, which stays its own."""

import json
import re
import time
from typing import Any
from urllib.parse import urljoin

import pytest
from apiflask import APIFlask
from apiflask.fields import String
from flask import Flask, Response, g
from flask.json.provider import DefaultJSONProvider
from flask.testing import FlaskClient
from sqlalchemy import create_engine, select, text
from tests.conftest import MakeApp
from tests.inside import refused, rows
from tests.people import GRACE, HERE, People, bearer, network

from flaskauth import Problem, User, auth_optional, auth_required, mount
from flaskauth.foundation import jobs
from flaskauth.mail.models import SENT, OutboxMail

ROOT = "http://localhost/accounts"
INVALID = (401, "invalid_token")
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


class SoldOut(Problem):
    status = 409
    message = "Somebody was faster."


class Shouting(DefaultJSONProvider):
    """JSON as the site writes it."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps(obj, **kwargs).upper()


def site_of(server: Flask) -> Flask:
    """A site with routes, JSON and error pages of its own."""
    app = Flask("site")
    app.json = Shouting(app)
    mount(app, server, "/accounts")
    app.register_error_handler(Exception, lambda error: ("our own page", 500))

    @app.get("/orders/<int:number>")
    @auth_required
    def orders(user: User, number: int) -> dict[str, Any]:
        return {"of": user.email, "from": user.country.name if user.country else None, "number": number}

    @app.get("/greeting")
    @auth_optional
    def greeting(user: User | None) -> str:
        return f"Hello {user.first_name if user else 'stranger'}"

    @app.get("/lot")
    def lot() -> str:
        raise SoldOut

    @app.get("/crash")
    def crash() -> str:
        raise ZeroDivisionError

    return app


@pytest.fixture
def server(make_app: MakeApp) -> Flask:
    return make_app(PUBLIC_URL=ROOT)


@pytest.fixture
def site(server: Flask) -> Flask:
    return site_of(server)


@pytest.fixture
def client(site: Flask) -> FlaskClient:
    return site.test_client()


def token_of(server: Flask, **more: str) -> str:
    return str(People(server).joined(**more).signed_in()["token"])


def test_people_sign_in_under_the_prefix(client: FlaskClient, server: Flask) -> None:
    People(server).joined()
    body = json.dumps({"email": GRACE["email"], "password": GRACE["password"]})
    answer = client.post("/accounts/auth/login", data=body, content_type="application/json", headers=network(HERE))
    token = answer.get_json()["token"]

    profile = client.get("/accounts/users/profile", headers=bearer(token))
    assert profile.get_json()["user"]["email"] == GRACE["email"]


def test_a_guard_of_the_site_lets_the_signed_in_in(client: FlaskClient, server: Flask) -> None:
    """The person can be read after the look-up is over, with their country."""
    answer = client.get("/orders/7", headers=bearer(token_of(server, country="NG")))

    assert (answer.status_code, answer.text.strip()) == (200, '{"FROM":"NIGERIA","NUMBER":7,"OF":"GRACE@EXAMPLE.COM"}')


def test_it_refuses_everybody_else_in_our_shape(client: FlaskClient) -> None:
    missing, bad = client.get("/orders/7"), client.get("/orders/7", headers=bearer("nonsense"))

    assert (refused(missing), missing.get_json()["message"]) == (INVALID, "Authorization token required")
    assert (refused(bad), bad.get_json()["message"]) == (INVALID, "Invalid token")
    assert bad.headers["Cache-Control"] == "no-store"


def test_requests_within_one_context_are_each_their_own(site: Flask, server: Flask) -> None:
    """As a view makes them that asks the site itself, or a test of the site's."""
    grace, ada = token_of(server), token_of(server, email="ada@example.com", first_name="Ada")
    with site.app_context():
        client = site.test_client()
        told = [client.get("/greeting", headers=bearer(token)).text for token in (grace, ada)]
        nobody = client.get("/orders/7")

    assert told == ["Hello Grace", "Hello Ada"]
    assert refused(nobody) == INVALID


def test_a_session_that_ended_is_refused_at_once(client: FlaskClient, server: Flask) -> None:
    token = token_of(server)
    assert client.get("/orders/7", headers=bearer(token)).status_code == 200
    client.post("/accounts/auth/logout", headers=bearer(token))

    for path in ("/orders/7", "/greeting"):
        assert refused(client.get(path, headers=bearer(token))) == INVALID


def test_where_it_is_optional_nobody_is_none(client: FlaskClient, server: Flask) -> None:
    assert client.get("/greeting").text == "Hello stranger"
    assert client.get("/greeting", headers=bearer(token_of(server))).text == "Hello Grace"
    assert refused(client.get("/greeting", headers=bearer("nonsense"))) == INVALID


@ON_SQLITE
def test_a_refusal_of_the_sites_own_has_the_shape_too(client: FlaskClient) -> None:
    assert refused(client.get("/lot")) == (409, "sold_out")


@ON_SQLITE
def test_the_sites_other_answers_stay_its_own(client: FlaskClient) -> None:
    for path in ("/crash", "/nothing"):
        assert (client.get(path).status_code, client.get(path).text) == (500, "our own page")
    assert set(client.get("/greeting").headers.keys()) == {"Content-Type", "Content-Length"}


@ON_SQLITE
def test_a_site_on_apiflask_reads_json_as_strictly_as_we_do(server: Flask) -> None:
    site = APIFlask("site")
    mount(site, server, "/accounts")

    @site.post("/notes")
    @site.input({"text": String(required=True)}, arg_name="note")
    def note(note: dict[str, str]) -> dict[str, str]:
        return note

    assert site.test_client().post("/notes", json={"text": "tea"}).get_json() == {"text": "tea"}
    assert refused(site.test_client().post("/notes", json={})) == (422, "invalid_input")
    assert refused(site.test_client().post("/notes", data="tea")) == (415, "unsupported_media_type")


@ON_SQLITE
def test_a_request_id_of_the_site_is_the_refusals_too(site: Flask) -> None:
    @site.before_request
    def name() -> None:
        g.request_id = "the-sites"

    assert site.test_client().get("/orders/7").get_json()["request_id"] == "the-sites"


@ON_SQLITE
def test_without_the_database_the_site_says_when_to_come_again(make_app: MakeApp) -> None:
    token = token_of(make_app())
    away = site_of(make_app(SQLALCHEMY_DATABASE_URI="mysql://flaskauth:secret@127.0.0.1:1/flaskauth"))

    assert refused(away.test_client().get("/orders/7", headers=bearer(token))) == (503, "unavailable")
    assert away.test_client().get("/greeting").status_code == 200


def test_mail_that_waits_goes_out_once_the_site_is_asked_for_anything(make_app: MakeApp) -> None:
    stopped = make_app()
    stopped.extensions[jobs.KEY].stop()
    People(stopped).pending()
    assert [mail.state for mail in rows(stopped, select(OutboxMail))] != [SENT]

    server = make_app()
    site_of(server).test_client().get("/orders/7")
    for _ in range(200):
        if [mail.state for mail in rows(server, select(OutboxMail))] == [SENT]:
            return
        time.sleep(0.02)
    raise AssertionError("not sent")


@ON_SQLITE
@pytest.mark.parametrize("path", ["/accounts/docs", "/accounts/dev/mailbox"])
def test_everything_that_a_page_takes_is_under_the_prefix(client: FlaskClient, path: str) -> None:
    taken = re.findall(r'(?:src|href|data-\w+)="(?!data:)([^"]+)"', client.get(path).text)
    there = {urljoin(path, link): client.get(urljoin(path, link), buffered=True).status_code for link in taken}

    assert len(there) >= 4
    assert {link: status for link, status in there.items() if status != 200 or not link.startswith("/accounts")} == {}


@ON_SQLITE
def test_every_address_that_it_tells_is_under_the_prefix(client: FlaskClient) -> None:
    told = client.get("/accounts").get_json()
    addresses = {name: told[name] for name in ("docs", "openapi", "jwks", "mailbox")}

    assert {name: client.get(address).status_code for name, address in addresses.items()} == dict.fromkeys(
        addresses, 200
    )
    assert client.get("/accounts/openapi.json").get_json()["servers"] == [{"url": ROOT}]
    assert f"curl {ROOT}/auth/register" in client.get("/accounts/dev/mailbox").text


@ON_SQLITE
def test_a_prefix_that_public_url_does_not_have_is_told(make_app: MakeApp, capsys: pytest.CaptureFixture[str]) -> None:
    site_of(make_app())
    assert "PUBLIC_URL: does not end in /accounts" in capsys.readouterr().err

    site_of(make_app(PUBLIC_URL=ROOT))
    assert "PUBLIC_URL" not in capsys.readouterr().err


@ON_SQLITE
@pytest.mark.parametrize("prefix", ["", "/", "accounts", "/accounts/", "/a b", "//"])
def test_a_prefix_that_is_none_is_told_in_words(server: Flask, prefix: str) -> None:
    with pytest.raises(ValueError, match='looks like "/accounts"'):
        mount(Flask("site"), server, prefix)


@ON_SQLITE
def test_a_second_server_is_told_in_words(site: Flask, server: Flask) -> None:
    with pytest.raises(ValueError, match="has a server already"):
        mount(site, server, "/other")


@ON_SQLITE
def test_what_is_no_server_is_told_in_words(server: Flask) -> None:
    with pytest.raises(ValueError, match=r"made by create_app\(\)"):
        mount(server, Flask("site"), "/accounts")


@pytest.mark.parametrize("guard", [auth_required, auth_optional])
@pytest.mark.parametrize("headers", [{}, bearer("nonsense")], ids=["no token", "a token"])
def test_where_nothing_is_mounted_a_guard_says_what_to_do(guard: Any, headers: dict[str, str]) -> None:
    app = Flask("site")
    app.testing = True
    app.add_url_rule("/", view_func=guard(lambda user: Response()))

    with pytest.raises(RuntimeError, match=r"flaskauth\.mount\(app, create_app\(\), \"/accounts\"\)"):
        app.test_client().get("/", headers=headers)


@ON_SQLITE
def test_the_sites_own_database_files_are_opened_as_it_says(site: Flask, client: FlaskClient) -> None:
    client.get("/accounts/health/ready")
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 0
    engine.dispose()
