"""While the database is down, requests return 503; when it is back, the server recovers without a restart."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import SECRET, SERVERS, private_sql_servers
from tests.servers import PrivateSqlServer
from tests.signing_keys.forgery import join_parts, sign_ecdsa
from tests.support.inspect import error_of
from tests.support.users import PASSWORD, UserFactory, bearer, registration_form
from werkzeug.test import TestResponse

from flaskauth import Settings, create_app, migrations
from flaskauth.core.db.session import db, dispose_engines
from flaskauth.core.jobs import background
from flaskauth.settings import with_driver

UNAVAILABLE = (503, "unavailable")
RECOVERY_SECONDS = 5.0


@pytest.fixture(params=private_sql_servers())
def server(request: pytest.FixtureRequest) -> Iterator[PrivateSqlServer]:
    with SERVERS[request.param]() as private_server:
        yield private_server


def empty_database(server: PrivateSqlServer) -> str:
    name = f"unavailable_{secrets.token_hex(4)}"
    server.create(name)
    return server.url(name)


def create_app_on(url: str, folder: Path) -> Flask:
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": url,
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    return create_app(Settings.load(environ, folder / "no.env"))


def close(app: Flask) -> None:
    app.extensions[background.KEY].stop()
    with app.app_context():
        db.session.close()
        dispose_engines()


def call_database_routes(client: FlaskClient, token: str, refresh_token: str) -> list[TestResponse]:
    """Send one request of every kind that needs the database."""
    body = {"email": "grace@example.com", "password": PASSWORD}
    return [
        client.post("/auth/login", json=body),
        client.post("/auth/register", json=registration_form("ada@example.com")),
        client.post("/auth/verify", json={"otp": "BBBB-BBBB"}),
        client.post("/auth/refresh", json={"refresh_token": refresh_token}),
        client.post("/auth/logout", json={"refresh_token": refresh_token}),
        client.get("/users/profile", headers=bearer(token)),
        client.post("/users/edit", json={"first_name": "Amazing"}, headers=bearer(token)),
        client.get("/countries"),
    ]


def can_login(client: FlaskClient) -> bool:
    body = {"email": "grace@example.com", "password": PASSWORD}
    return client.post("/auth/login", json=body).status_code == 200


def recovers_in_time(client: FlaskClient) -> bool:
    """Return True if a login succeeds within RECOVERY_SECONDS."""
    end = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < end:
        if can_login(client):
            return True
        time.sleep(0.25)
    return False


def test_database_down_returns_503_and_recovers(server: PrivateSqlServer, tmp_path: Path) -> None:
    url = empty_database(server)
    migrations.upgrade(with_driver(url))
    app = create_app_on(url, tmp_path)
    client, tokens = app.test_client(), UserFactory(app).create_verified().login_ok()
    keys = client.get("/.well-known/jwks.json").data

    server.kill()
    responses = call_database_routes(client, tokens["token"], tokens["refresh_token"])
    assert [error_of(response) for response in responses] == [UNAVAILABLE] * len(responses)
    assert error_of(client.get("/users/profile", headers=bearer("forged"))) == (401, "invalid_token")
    for path in ("/", "/hello", "/health/live", "/openapi.json", "/docs"):
        assert client.get(path).status_code == 200, path
    assert client.get("/.well-known/jwks.json").data == keys

    server.start()
    assert recovers_in_time(client)
    assert client.get("/users/profile", headers=bearer(tokens["token"])).status_code == 200
    close(app)


def test_server_started_before_database_needs_no_restart(server: PrivateSqlServer, tmp_path: Path) -> None:
    """At the start there is neither a schema nor a signing key."""
    url = empty_database(server)
    server.stop()
    app = create_app_on(url, tmp_path)
    client = app.test_client()
    assert error_of(client.get("/users/profile", headers=bearer(token_with_unknown_key()))) == UNAVAILABLE
    assert error_of(client.get("/.well-known/jwks.json")) == UNAVAILABLE

    server.start()
    migrations.upgrade(with_driver(url))
    UserFactory(app).create_verified()
    assert recovers_in_time(client)
    close(app)


def token_with_unknown_key() -> str:
    """Return a well-formed token whose key id can only be checked in the database."""
    header = {"alg": "ES256", "typ": "at+jwt", "kid": secrets.token_urlsafe(32)}
    return sign_ecdsa(join_parts(header, {"sub": "1"}), ec.generate_private_key(ec.SECP256R1()))


def test_dropped_database_connection_is_replaced(server: PrivateSqlServer, tmp_path: Path) -> None:
    url = empty_database(server)
    migrations.upgrade(with_driver(url))
    app = create_app_on(url, tmp_path)
    UserFactory(app).create_verified()
    server.restart()

    assert can_login(app.test_client())
    close(app)


def test_read_only_database_serves_profile_but_not_login(server: PrivateSqlServer, tmp_path: Path) -> None:
    url = empty_database(server)
    migrations.upgrade(with_driver(url))
    app = create_app_on(url, tmp_path)
    client, tokens = app.test_client(), UserFactory(app).create_verified().login_ok()
    server.execute("SET GLOBAL read_only = 1")

    assert client.get("/users/profile", headers=bearer(tokens["token"])).status_code == 200
    assert (
        error_of(client.post("/auth/login", json={"email": "grace@example.com", "password": PASSWORD})) == UNAVAILABLE
    )
    assert error_of(client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})) == UNAVAILABLE
    server.execute("SET GLOBAL read_only = 0")
    assert recovers_in_time(client)
    close(app)
