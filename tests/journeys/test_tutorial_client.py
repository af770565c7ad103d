"""A client that was written to the tutorial: its .env, its commands, its requests."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from tests import tutorial
from tests.journeys.processes import Place, Running
from tests.journeys.visitors import Visitor
from tests.people import CODE
from tests.servers import MariaDB, SmtpSink, free_port

FORM = {
    "first_name": "Idris",
    "last_name": "Babu",
    "email": "idris@example.com",
    "password": "quarrelsome blue ladders",
    "country": "NG",
}

CREDENTIALS = {name: FORM[name] for name in ("email", "password")}
REGISTERED = "Registration Successful, check your email for OTP code to verify your account"
ALEMBIC = Path(__file__).parents[2] / "alembic.ini"


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink(login=("someone@example.com", "mail password")) as found:
        yield found


@pytest.fixture
def database(mariadb: MariaDB) -> Iterator[str]:
    """As it is written everywhere: mysql://user:password@host:port/name."""
    name = f"tutorial_{secrets.token_hex(4)}"
    mariadb.create(name)
    yield mariadb.url(name)
    mariadb.drop(name)


@pytest.fixture
def place(tmp_path: Path, sink: SmtpSink, database: str) -> Place:
    assert make_url(database).drivername == "mysql"
    # The last line is for clients that keep their first refresh token.
    text = tutorial.env(database, free_port(), sink.port) + "REFRESH_ROTATION=false\n"
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    return Place(tmp_path)


@contextmanager
def running(place: Place) -> Iterator[tuple[Running, Visitor]]:
    env = (place.folder / ".env").read_text(encoding="utf-8")
    port = int(env.partition("SERVER_NAME=127.0.0.1:")[2].split()[0])
    words = ("flask", "--app", "flaskauth", "run", "--port", str(port))
    with place.start(*words) as server, closing(Visitor(port)) as visitor:
        yield server.wait_until(visitor.is_ready), visitor


def test_the_tutorials_journey_works_with_its_own_env(place: Place, sink: SmtpSink) -> None:
    place.run("flaskauth", "db", "upgrade")
    with running(place) as (server, client):
        assert client.get("/hello").expect() == {"message": "Hello It Works"}
        _join(client, sink)
        login = client.post("/auth/login", CREDENTIALS).expect()
        _look_around(client, login)
        _refresh_with_the_first_token(client, login)
    assert "SECRET_KEY: has been published" in server.said
    assert "REFRESH_ROTATION: " in server.said
    assert tutorial.PUBLISHED not in server.said


def test_the_tutorials_env_without_its_secret_starts_too(place: Place) -> None:
    env = place.folder / ".env"
    env.write_text(env.read_text(encoding="utf-8").replace(tutorial.PUBLISHED, ""), encoding="utf-8")
    place.run("alembic", "-c", str(ALEMBIC), "upgrade", "head")
    with running(place) as (server, client):
        assert client.get("/hello").expect() == {"message": "Hello It Works"}
    assert "SECRET_KEY" not in server.said


def _join(client: Visitor, sink: SmtpSink) -> None:
    for _ in range(2):  # an impatient client
        registered = client.post("/auth/register", FORM).expect()
        assert registered["message"] == REGISTERED
    assert client.post("/auth/login", CREDENTIALS).status == 401
    verified = client.post("/auth/verify", {"otp": _code(sink)}).expect()
    assert (verified["status"], verified["message"]) == ("Success", "Verification Successful! Login to your account")
    assert client.post("/auth/register", FORM).expect()["message"] == REGISTERED


def _look_around(client: Visitor, login: dict[str, Any]) -> None:
    assert login["message"] == "Login Successful, Welcome Back"
    assert {"token", "refresh_token", "expired_at", "user"} <= login.keys()
    profile = client.get("/users/profile", login["token"]).expect()
    assert (profile["message"], profile["user"]) == ("Profile Details", login["user"])
    changes = {"country_id": 288, "first_name": "Nana", "last_name": "Yaw"}
    edited = client.post("/users/edit", changes, login["token"]).expect()
    assert edited["message"] == "Profile Updated"
    assert changes.items() <= edited["user"].items()


def _refresh_with_the_first_token(client: Visitor, login: dict[str, Any]) -> None:
    for _ in range(4):
        refreshed = client.post("/auth/refresh", {"refresh_token": login["refresh_token"]}).expect()
        assert (refreshed["message"], refreshed["id"]) == ("Token Successfully refreshed", login["user"]["id"])
        assert client.get("/users/profile", refreshed["token"]).expect()["user"]["first_name"] == "Nana"


def _code(sink: SmtpSink) -> str:
    mail = sink.wait_for(lambda mail: mail.message["Subject"].startswith("Account Verification on"))
    body = mail.message.get_body(("plain",))
    found = CODE.search(body.get_content().replace("\r\n", "\n")) if body else None
    assert found
    return found.group()
