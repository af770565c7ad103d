"""`mount` adds the server to a host application, whose behaviour does not change."""

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
from tests.support.inspect import error_of, query_all
from tests.support.users import CLIENT_IP, GRACE, UserFactory, bearer, forwarded_for

from flaskauth import APIError, User, auth_optional, auth_required, mount
from flaskauth.core.jobs import background
from flaskauth.mail.models import SENT, OutboxMail

ROOT = "http://localhost/accounts"
INVALID = (401, "invalid_token")
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


class SoldOut(APIError):
    status = 409
    message = "Sold out."


class UppercaseJSONProvider(DefaultJSONProvider):
    """A JSON provider of the host application."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps(obj, **kwargs).upper()


def create_host_app(server: Flask) -> Flask:
    """Create a host application with its own routes, JSON provider and error pages."""
    app = Flask("host")
    app.json = UppercaseJSONProvider(app)
    mount(app, server, "/accounts")
    app.register_error_handler(Exception, lambda error: ("custom error page", 500))

    @app.get("/orders/<int:number>")
    @auth_required
    def orders(user: User, number: int) -> dict[str, Any]:
        return {"email": user.email, "country": user.country.name if user.country else None, "number": number}

    @app.get("/greeting")
    @auth_optional
    def greeting(user: User | None) -> str:
        return f"Hello {user.first_name if user else 'guest'}"

    @app.get("/sold-out")
    def sold_out() -> str:
        raise SoldOut

    @app.get("/crash")
    def crash() -> str:
        raise ZeroDivisionError

    return app


@pytest.fixture
def server(make_app: MakeApp) -> Flask:
    return make_app(PUBLIC_URL=ROOT)


@pytest.fixture
def host_app(server: Flask) -> Flask:
    return create_host_app(server)


@pytest.fixture
def client(host_app: Flask) -> FlaskClient:
    return host_app.test_client()


def access_token_for(server: Flask, **fields: str) -> str:
    return str(UserFactory(server).create_verified(**fields).login_ok()["token"])


def test_login_under_mount_prefix_succeeds(client: FlaskClient, server: Flask) -> None:
    UserFactory(server).create_verified()
    body = json.dumps({"email": GRACE["email"], "password": GRACE["password"]})
    response = client.post(
        "/accounts/auth/login", data=body, content_type="application/json", headers=forwarded_for(CLIENT_IP)
    )
    token = response.get_json()["token"]

    profile = client.get("/accounts/users/profile", headers=bearer(token))
    assert profile.get_json()["user"]["email"] == GRACE["email"]


def test_auth_required_on_host_route_passes_the_user(client: FlaskClient, server: Flask) -> None:
    """The user and their country can be read after the transaction of the lookup has ended."""
    response = client.get("/orders/7", headers=bearer(access_token_for(server, country="NG")))

    assert (response.status_code, response.text.strip()) == (
        200,
        '{"COUNTRY":"NIGERIA","EMAIL":"GRACE@EXAMPLE.COM","NUMBER":7}',
    )


def test_auth_required_without_valid_jwt_returns_401(client: FlaskClient) -> None:
    missing, invalid = client.get("/orders/7"), client.get("/orders/7", headers=bearer("nonsense"))

    assert (error_of(missing), missing.get_json()["message"]) == (INVALID, "Authorization token required")
    assert (error_of(invalid), invalid.get_json()["message"]) == (INVALID, "Invalid token")
    assert invalid.headers["Cache-Control"] == "no-store"


def test_auth_in_shared_app_context_is_per_request(host_app: Flask, server: Flask) -> None:
    """A view that calls its own application, or a test of the host, sends requests inside an app context."""
    grace, ada = access_token_for(server), access_token_for(server, email="ada@example.com", first_name="Ada")
    with host_app.app_context():
        client = host_app.test_client()
        greetings = [client.get("/greeting", headers=bearer(token)).text for token in (grace, ada)]
        anonymous = client.get("/orders/7")

    assert greetings == ["Hello Grace", "Hello Ada"]
    assert error_of(anonymous) == INVALID


def test_auth_required_after_logout_returns_401(client: FlaskClient, server: Flask) -> None:
    token = access_token_for(server)
    assert client.get("/orders/7", headers=bearer(token)).status_code == 200
    client.post("/accounts/auth/logout", headers=bearer(token))

    for path in ("/orders/7", "/greeting"):
        assert error_of(client.get(path, headers=bearer(token))) == INVALID


def test_auth_optional_without_token_passes_none(client: FlaskClient, server: Flask) -> None:
    assert client.get("/greeting").text == "Hello guest"
    assert client.get("/greeting", headers=bearer(access_token_for(server))).text == "Hello Grace"
    assert error_of(client.get("/greeting", headers=bearer("nonsense"))) == INVALID


@ON_SQLITE
def test_host_api_error_has_the_standard_error_shape(client: FlaskClient) -> None:
    assert error_of(client.get("/sold-out")) == (409, "sold_out")


@ON_SQLITE
def test_host_error_pages_and_headers_stay_unchanged(client: FlaskClient) -> None:
    for path in ("/crash", "/nothing"):
        assert (client.get(path).status_code, client.get(path).text) == (500, "custom error page")
    assert set(client.get("/greeting").headers.keys()) == {"Content-Type", "Content-Length"}


@ON_SQLITE
def test_apiflask_host_validates_json_strictly(server: Flask) -> None:
    host = APIFlask("host")
    mount(host, server, "/accounts")

    @host.post("/notes")
    @host.input({"text": String(required=True)}, arg_name="note")
    def note(note: dict[str, str]) -> dict[str, str]:
        return note

    assert host.test_client().post("/notes", json={"text": "tea"}).get_json() == {"text": "tea"}
    assert error_of(host.test_client().post("/notes", json={})) == (422, "validation_failed")
    assert error_of(host.test_client().post("/notes", data="tea")) == (415, "unsupported_media_type")


@ON_SQLITE
def test_host_request_id_is_used_in_error_response(host_app: Flask) -> None:
    @host_app.before_request
    def set_request_id() -> None:
        g.request_id = "from-the-host"

    assert host_app.test_client().get("/orders/7").get_json()["request_id"] == "from-the-host"


@ON_SQLITE
def test_auth_required_without_database_returns_503(make_app: MakeApp) -> None:
    token = access_token_for(make_app())
    app = create_host_app(make_app(SQLALCHEMY_DATABASE_URI="mysql://flaskauth:secret@127.0.0.1:1/flaskauth"))

    assert error_of(app.test_client().get("/orders/7", headers=bearer(token))) == (503, "unavailable")
    assert app.test_client().get("/greeting").status_code == 200


def test_queued_mail_is_sent_on_first_host_request(make_app: MakeApp) -> None:
    stopped = make_app()
    stopped.extensions[background.KEY].stop()
    UserFactory(stopped).register()
    assert [mail.state for mail in query_all(stopped, select(OutboxMail))] != [SENT]

    server = make_app()
    create_host_app(server).test_client().get("/orders/7")
    for _ in range(200):
        if [mail.state for mail in query_all(server, select(OutboxMail))] == [SENT]:
            return
        time.sleep(0.02)
    raise AssertionError("the mail is not sent")


@ON_SQLITE
@pytest.mark.parametrize("path", ["/accounts/docs", "/accounts/dev/mailbox"])
def test_page_assets_are_under_the_mount_prefix(client: FlaskClient, path: str) -> None:
    links = re.findall(r'(?:src|href|data-\w+)="(?!data:)([^"]+)"', client.get(path).text)
    statuses = {urljoin(path, link): client.get(urljoin(path, link), buffered=True).status_code for link in links}

    assert len(statuses) >= 4
    assert {
        link: status for link, status in statuses.items() if status != 200 or not link.startswith("/accounts")
    } == {}


@ON_SQLITE
def test_advertised_urls_are_under_the_mount_prefix(client: FlaskClient) -> None:
    body = client.get("/accounts").get_json()
    urls = {name: body[name] for name in ("docs", "openapi", "jwks", "mailbox")}

    assert {name: client.get(url).status_code for name, url in urls.items()} == dict.fromkeys(urls, 200)
    [server] = client.get("/accounts/openapi.json").get_json()["servers"]
    assert server["url"] == "/accounts"
    assert f"curl {ROOT}/auth/register" in client.get("/accounts/dev/mailbox").text


@ON_SQLITE
def test_public_url_without_prefix_logs_a_warning(make_app: MakeApp, capsys: pytest.CaptureFixture[str]) -> None:
    create_host_app(make_app())
    assert "PUBLIC_URL: does not end in /accounts" in capsys.readouterr().err

    create_host_app(make_app(PUBLIC_URL=ROOT))
    assert "PUBLIC_URL" not in capsys.readouterr().err


@ON_SQLITE
@pytest.mark.parametrize("prefix", ["", "/", "accounts", "/accounts/", "/a b", "//"])
def test_mount_invalid_prefix_raises_value_error(server: Flask, prefix: str) -> None:
    with pytest.raises(ValueError, match='must look like "/accounts"'):
        mount(Flask("host"), server, prefix)


@ON_SQLITE
def test_mount_twice_raises_value_error(host_app: Flask, server: Flask) -> None:
    with pytest.raises(ValueError, match="already has a mounted server"):
        mount(host_app, server, "/other")


@ON_SQLITE
def test_mount_unrelated_app_raises_value_error(server: Flask) -> None:
    with pytest.raises(ValueError, match=r"created by create_app\(\)"):
        mount(server, Flask("host"), "/accounts")


@pytest.mark.parametrize("decorator", [auth_required, auth_optional])
@pytest.mark.parametrize("headers", [{}, bearer("nonsense")], ids=["no token", "with token"])
def test_auth_decorator_without_mount_raises_runtime_error(decorator: Any, headers: dict[str, str]) -> None:
    app = Flask("host")
    app.testing = True
    app.add_url_rule("/", view_func=decorator(lambda user: Response()))

    with pytest.raises(RuntimeError, match=r"flaskauth\.mount\(app, create_app\(\), \"/accounts\"\)"):
        app.test_client().get("/", headers=headers)


@ON_SQLITE
def test_host_sqlite_pragmas_stay_unchanged(host_app: Flask, client: FlaskClient) -> None:
    client.get("/accounts/health/ready")
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 0
    engine.dispose()
