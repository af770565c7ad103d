"""A client of the tutorial works unchanged: its `.env`, its commands and its requests."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import RunningProcess, Workspace
from tests.servers import MariaDB, SmtpSink, free_port
from tests.support import tutorial
from tests.support.users import CODE_PATTERN

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
    with SmtpSink(login=("someone@example.com", "mail password")) as smtp_sink:
        yield smtp_sink


@pytest.fixture
def database(mariadb: MariaDB) -> Iterator[str]:
    """A URL in the usual form, mysql://user:password@host:port/name."""
    name = f"tutorial_{secrets.token_hex(4)}"
    mariadb.create(name)
    yield mariadb.url(name)
    mariadb.drop(name)


@pytest.fixture
def workspace(tmp_path: Path, sink: SmtpSink, database: str) -> Workspace:
    assert make_url(database).drivername == "mysql"
    # The last line is for clients that never store a new refresh token.
    text = tutorial.dotenv_text(database, free_port(), sink.port) + "REFRESH_TOKEN_ROTATION=false\n"
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    return Workspace(tmp_path)


@contextmanager
def serve_workspace(workspace: Workspace) -> Iterator[tuple[RunningProcess, HttpClient]]:
    env = (workspace.folder / ".env").read_text(encoding="utf-8")
    port = int(env.partition("SERVER_NAME=127.0.0.1:")[2].split()[0])
    command = ("flask", "--app", "flaskauth", "run", "--port", str(port))
    # The reloader of debug mode restarts the command line, so the server needs a new interpreter.
    server_workspace = replace(workspace, is_forked=False)
    with server_workspace.start(*command) as server, closing(HttpClient(port)) as http_client:
        yield server.wait_until(http_client.is_ready), http_client


def test_tutorial_client_works_with_tutorial_dotenv(workspace: Workspace, sink: SmtpSink) -> None:
    workspace.run("flaskauth", "db", "upgrade")
    with serve_workspace(workspace) as (server, client):
        assert client.get("/hello").expect() == {"message": "Hello It Works"}
        _register_and_verify(client, sink)
        login = client.post("/auth/login", CREDENTIALS).expect()
        _read_and_edit_profile(client, login)
        _refresh_with_the_first_token(client, login)
    assert "SECRET_KEY: is a published value" in server.output
    assert "REFRESH_TOKEN_ROTATION: " in server.output
    assert tutorial.PUBLISHED_SECRET not in server.output


def test_tutorial_dotenv_without_secret_key_starts(workspace: Workspace) -> None:
    env = workspace.folder / ".env"
    env.write_text(env.read_text(encoding="utf-8").replace(tutorial.PUBLISHED_SECRET, ""), encoding="utf-8")
    workspace.run("alembic", "-c", str(ALEMBIC), "upgrade", "head")
    with serve_workspace(workspace) as (server, client):
        assert client.get("/hello").expect() == {"message": "Hello It Works"}
    assert "SECRET_KEY" not in server.output


def _register_and_verify(client: HttpClient, sink: SmtpSink) -> None:
    for _ in range(2):  # a client that retries
        registered = client.post("/auth/register", FORM).expect()
        assert registered["message"] == REGISTERED
    assert client.post("/auth/login", CREDENTIALS).status == 401
    verified = client.post("/auth/verify", {"otp": _code_from_mail(sink)}).expect()
    assert (verified["status"], verified["message"]) == ("Success", "Verification Successful! Login to your account")
    assert client.post("/auth/register", FORM).expect()["message"] == REGISTERED


def _read_and_edit_profile(client: HttpClient, login: dict[str, Any]) -> None:
    assert login["message"] == "Login Successful, Welcome Back"
    assert {"token", "refresh_token", "expired_at", "user"} <= login.keys()
    profile = client.get("/users/profile", login["token"]).expect()
    assert (profile["message"], profile["user"]) == ("Profile Details", login["user"])
    changes = {"country_id": 288, "first_name": "Nana", "last_name": "Yaw"}
    edited = client.post("/users/edit", changes, login["token"]).expect()
    assert edited["message"] == "Profile Updated"
    assert changes.items() <= edited["user"].items()


def _refresh_with_the_first_token(client: HttpClient, login: dict[str, Any]) -> None:
    for _ in range(4):
        refreshed = client.post("/auth/refresh", {"refresh_token": login["refresh_token"]}).expect()
        assert (refreshed["message"], refreshed["id"]) == ("Token Successfully refreshed", login["user"]["id"])
        assert client.get("/users/profile", refreshed["token"]).expect()["user"]["first_name"] == "Nana"


def _code_from_mail(sink: SmtpSink) -> str:
    mail = sink.wait_for(lambda mail: mail.message["Subject"].startswith("Account Verification on"))
    body = mail.message.get_body(("plain",))
    match = CODE_PATTERN.search(body.get_content().replace("\r\n", "\n")) if body else None
    assert match
    return match.group()
