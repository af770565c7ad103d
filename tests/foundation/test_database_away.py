"""The database goes and comes back: nothing is believed meanwhile, nothing has to be restarted afterwards."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import SECRET, SERVERS, private_servers
from tests.inside import refused
from tests.keys.forging import joined, with_ecdsa
from tests.people import PASSWORD, People, bearer, form
from tests.servers import PrivateSqlServer
from werkzeug.test import TestResponse

from flaskauth import Settings, create_app, migrations
from flaskauth.foundation import jobs
from flaskauth.foundation.db import db, hang_up
from flaskauth.settings import with_driver

UNAVAILABLE = (503, "unavailable")
RECOVERY = 5.0  # seconds


@pytest.fixture(params=private_servers())
def server(request: pytest.FixtureRequest) -> Iterator[PrivateSqlServer]:
    with SERVERS[request.param]() as found:
        yield found


def empty_database(server: PrivateSqlServer) -> str:
    name = f"away_{secrets.token_hex(4)}"
    server.create(name)
    return server.url(name)


def app_on(url: str, folder: Path) -> Flask:
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": url,
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    return create_app(Settings.load(environ, folder / "no.env"))


def close(app: Flask) -> None:
    app.extensions[jobs.KEY].stop()
    with app.app_context():
        db.session.close()
        hang_up()


def everything(client: FlaskClient, token: str, refresh_token: str) -> list[TestResponse]:
    """A call of each kind that needs the database."""
    body = {"email": "grace@example.com", "password": PASSWORD}
    return [
        client.post("/auth/login", json=body),
        client.post("/auth/register", json=form("ada@example.com")),
        client.post("/auth/verify", json={"otp": "BBBB-BBBB"}),
        client.post("/auth/refresh", json={"refresh_token": refresh_token}),
        client.post("/auth/logout", json={"refresh_token": refresh_token}),
        client.get("/users/profile", headers=bearer(token)),
        client.post("/users/edit", json={"first_name": "Amazing"}, headers=bearer(token)),
        client.get("/countries"),
    ]


def signs_in(client: FlaskClient) -> bool:
    body = {"email": "grace@example.com", "password": PASSWORD}
    return client.post("/auth/login", json=body).status_code == 200


def soon(client: FlaskClient) -> bool:
    """Whether people can sign in again, by themselves, within a few seconds."""
    end = time.monotonic() + RECOVERY
    while time.monotonic() < end:
        if signs_in(client):
            return True
        time.sleep(0.25)
    return False


def test_while_the_database_is_away_nothing_is_believed_and_afterwards_all_goes_on(
    server: PrivateSqlServer, tmp_path: Path
) -> None:
    url = empty_database(server)
    migrations.upgrade(with_driver(url))
    app = app_on(url, tmp_path)
    client, welcome = app.test_client(), People(app).joined().signed_in()
    keys = client.get("/.well-known/jwks.json").data

    server.kill()
    answers = everything(client, welcome["token"], welcome["refresh_token"])
    assert [refused(answer) for answer in answers] == [UNAVAILABLE] * len(answers)
    assert refused(client.get("/users/profile", headers=bearer("forged"))) == (401, "invalid_token")
    for path in ("/", "/hello", "/health/live", "/openapi.json", "/docs"):
        assert client.get(path).status_code == 200, path
    assert client.get("/.well-known/jwks.json").data == keys

    server.start()
    assert soon(client)
    assert client.get("/users/profile", headers=bearer(welcome["token"])).status_code == 200
    close(app)


def test_a_server_that_starts_before_its_database_needs_no_restart(server: PrivateSqlServer, tmp_path: Path) -> None:
    """Neither the schema nor a signing key is there when it starts."""
    url = empty_database(server)
    server.stop()
    app = app_on(url, tmp_path)
    client = app.test_client()
    assert refused(client.get("/users/profile", headers=bearer(made_elsewhere()))) == UNAVAILABLE
    assert refused(client.get("/.well-known/jwks.json")) == UNAVAILABLE

    server.start()
    migrations.upgrade(with_driver(url))
    People(app).joined()
    assert soon(client)
    close(app)


def made_elsewhere() -> str:
    """A token that may well be good: only the keys could tell."""
    head = {"alg": "ES256", "typ": "at+jwt", "kid": secrets.token_urlsafe(32)}
    return with_ecdsa(joined(head, {"sub": "1"}), ec.generate_private_key(ec.SECP256R1()))


def test_a_connection_that_the_server_dropped_is_made_anew_in_silence(server: PrivateSqlServer, tmp_path: Path) -> None:
    url = empty_database(server)
    migrations.upgrade(with_driver(url))
    app = app_on(url, tmp_path)
    People(app).joined()
    server.restart()

    assert signs_in(app.test_client())
    close(app)


def test_a_database_that_only_reads_signs_nobody_in_and_shows_profiles(
    server: PrivateSqlServer, tmp_path: Path
) -> None:
    url = empty_database(server)
    migrations.upgrade(with_driver(url))
    app = app_on(url, tmp_path)
    client, welcome = app.test_client(), People(app).joined().signed_in()
    server.execute("SET GLOBAL read_only = 1")

    assert client.get("/users/profile", headers=bearer(welcome["token"])).status_code == 200
    assert refused(client.post("/auth/login", json={"email": "grace@example.com", "password": PASSWORD})) == UNAVAILABLE
    assert refused(client.post("/auth/refresh", json={"refresh_token": welcome["refresh_token"]})) == UNAVAILABLE
    server.execute("SET GLOBAL read_only = 0")
    assert soon(client)
    close(app)
