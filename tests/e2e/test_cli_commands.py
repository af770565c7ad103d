"""The CLI commands: what they do, and their error messages."""

import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.conftest import databases
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.e2e.scenario import UserScenario
from tests.servers import MariaDB, SqlServer, free_port

from flaskauth import migrations

REPOSITORY = Path(__file__).parents[2]
MIGRATIONS = "src/flaskauth/migrations"
EMAIL = "grace@example.com"
SECRET, NEW_SECRET = secrets.token_urlsafe(48), secrets.token_urlsafe(48)
COMMANDS = {
    "serve": ("flaskauth", "serve"),
    "flask run": ("flask", "--app", "flaskauth", "run"),
    "alembic": ("alembic", "-c", str(REPOSITORY / "alembic.ini"), "upgrade", "head"),
    "celery": ("celery", "-A", "flaskauth.celery", "worker", "--loglevel=INFO"),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, {"SECRET_KEY": SECRET})


@pytest.fixture(params=databases()[:1])
def repository_copy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """The files of the repository that Alembic needs, with an empty database."""
    shutil.copy(REPOSITORY / "alembic.ini", tmp_path)
    shutil.copytree(REPOSITORY / MIGRATIONS, tmp_path / MIGRATIONS)
    if request.param == "sqlite":
        yield Workspace(tmp_path)
        return
    server: SqlServer = request.getfixturevalue(request.param)
    name = f"commands_{secrets.token_hex(4)}"
    server.create(name)
    yield Workspace(tmp_path, {"SQLALCHEMY_DATABASE_URI": server.url(name), "FLASKAUTH_ENV": "development"})
    server.drop(name)


@contextmanager
def serve_workspace(workspace: Workspace) -> Iterator[HttpClient]:
    """Serve the workspace, and yield a client on this machine."""
    port = free_port()
    with workspace.start("flaskauth", "serve", "--port", str(port)) as server, closing(HttpClient(port)) as http_client:
        server.wait_until(http_client.is_ready)
        yield http_client


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_command_reports_all_settings_errors(tmp_path: Path, command: tuple[str, ...]) -> None:
    settings = {"FLASKAUTH_ENV": "production", "JWT_DURATION": "soon", "FLASKAUTH_TYPO": "1", "PUBLIC_URL": "ftp://x"}

    output = Workspace(tmp_path, settings).run(*command, expect=None)

    for name in ("SECRET_KEY", "MAIL_SERVER", "JWT_DURATION", "FLASKAUTH_TYPO", "PUBLIC_URL"):
        assert f"- {name}: " in output
    assert "Traceback" not in output
    assert not list(tmp_path.iterdir())


def test_celery_worker_without_redis_url_explains_the_fix(tmp_path: Path) -> None:
    output = Workspace(tmp_path).run(*COMMANDS["celery"], expect=None)

    assert "Set REDIS_URL, such as redis://" in output
    assert "Traceback" not in output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("dotenv", "issuer"),
    [
        ("", "http://localhost:{port}"),
        ("PUBLIC_URL=http://localhost:5000", "http://localhost:5000"),
        ("PUBLIC_URL_FILE=url", "https://from-a-file.example.com"),
        ("SERVER_NAME=named.example.com", "https://named.example.com"),
    ],
)
def test_issuer_is_public_url_or_the_serving_address(workspace: Workspace, dotenv: str, issuer: str) -> None:
    (workspace.folder / ".env").write_text(dotenv)
    (workspace.folder / "url").write_text("https://from-a-file.example.com")
    with serve_workspace(workspace) as http_client:
        keys_url = http_client.get("/").expect()["jwks"]

    assert keys_url == issuer.format(port=http_client.port) + "/.well-known/jwks.json"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_serve_port_in_use_is_reported(workspace: Workspace, host: str) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        port = str(listener.getsockname()[1])
        output = workspace.run("flaskauth", "serve", "--host", host, "--port", port, expect=1)

    assert f":{port}: Address already in use. Choose a different address with --host and --port," in output
    assert f"make run PORT={int(port) + 1}." in output
    assert "Traceback" not in output


def test_keys_list_without_schema_suggests_db_upgrade(workspace: Workspace) -> None:
    (workspace.folder / "instance").mkdir()
    (workspace.folder / "instance/flaskauth.db").touch()

    output = workspace.run("flaskauth", "keys", "list", expect=1)

    assert "flaskauth db upgrade" in output
    assert "Traceback" not in output


def test_serve_without_schema_is_ready_after_db_upgrade(workspace: Workspace, mariadb: MariaDB) -> None:
    name, port = f"empty_{secrets.token_hex(4)}", free_port()
    mariadb.create(name)
    workspace = workspace.with_settings(SQLALCHEMY_DATABASE_URI=mariadb.url(name), FLASKAUTH_ENV="development")
    with workspace.start("flaskauth", "serve", "--port", str(port)) as server, closing(HttpClient(port)) as http_client:
        server.wait_for_output("not ready:").wait_for_output('"job_failed"')
        assert "flaskauth db upgrade" in server.output
        credentials = {"email": EMAIL, "password": "quarrelsome blue ladders"}
        assert http_client.post("/auth/login", credentials).expect(503)["code"] == "unavailable"
        workspace.run("flaskauth", "db", "upgrade")
        server.wait_until(http_client.is_ready)
        http_client.post("/auth/login", credentials).expect(401)
        assert server.output.count('"mail.sweep"') == 1
    mariadb.drop(name)


def test_keys_rotate_first_key_signs_immediately(workspace: Workspace) -> None:
    workspace.run("flaskauth", "db", "upgrade")

    assert "signs now." in workspace.run("flaskauth", "keys", "rotate")
    assert "signs in an hour." in workspace.run("flaskauth", "keys", "rotate")


@pytest.mark.parametrize("command", [("db", "upgrade"), ("keys", "list"), ("mail", "list")], ids=" ".join)
def test_command_with_database_down_reports_it(workspace: Workspace, command: tuple[str, ...]) -> None:
    unreachable = workspace.with_settings(
        SQLALCHEMY_DATABASE_URI=f"mysql://app:hunter2@127.0.0.1:{free_port()}/x", FLASKAUTH_ENV="development"
    )

    output = unreachable.run("flaskauth", *command, expect=1)

    assert re.search(r"Database error: 200[23]: Can't connect to ", output)
    assert "Check the database and SQLALCHEMY_DATABASE_URI. Run: flaskauth doctor" in output
    assert "Traceback" not in output
    assert "hunter2" not in output


def test_db_upgrade_reports_the_current_revision(workspace: Workspace) -> None:
    assert "is at revision 0001." in workspace.run("flaskauth", "db", "upgrade", "--to", "0001")
    assert "Can't locate revision" in workspace.run("flaskauth", "db", "upgrade", "--to", "nothing", expect=1)
    newest = workspace.run("flaskauth", "db", "upgrade")

    assert workspace.run("flaskauth", "db", "upgrade", "--to", "0001") == newest


def test_keys_rotate_publishes_next_key_in_jwks(workspace: Workspace) -> None:
    with serve_workspace(workspace) as http_client:
        [first] = _jwks_key_ids(http_client)
        next_key = _created_key_id(workspace.run("flaskauth", "keys", "rotate"))
        assert _listed_key_ids(workspace) == [first, next_key]

    with serve_workspace(workspace) as http_client:
        assert _jwks_key_ids(http_client) == {first, next_key}


def test_keys_rotate_now_rejects_jwt_of_the_old_key(workspace: Workspace) -> None:
    """Processes reload the keys within a minute; here a restart replaces the wait."""
    workspace = workspace.with_settings(PUBLIC_URL="http://localhost:5000")
    with serve_workspace(workspace) as http_client:
        user = UserScenario(http_client, http_client.code_for, EMAIL)
        user.register_and_verify()
        user.login()
        old_token = user.token
        new_key = _created_key_id(workspace.run("flaskauth", "keys", "rotate", "--now"))

    with serve_workspace(workspace) as http_client:
        assert _jwks_key_ids(http_client) == {new_key}
        user.client = http_client
        assert http_client.get("/users/profile", old_token).expect(401)["code"] == "invalid_token"
        user.refresh()
        http_client.get("/users/profile", user.token).expect()


def test_changed_secret_key_requires_the_old_as_fallback(workspace: Workspace) -> None:
    with serve_workspace(workspace) as http_client:
        user = UserScenario(http_client, http_client.code_for, EMAIL)
        user.register_and_verify()
        user.login()
        key_ids = _jwks_key_ids(http_client)

    changed = workspace.with_settings(SECRET_KEY=NEW_SECRET)
    for command in ((*COMMANDS["serve"], "--port", str(free_port())), ("flaskauth", "keys", "rotate")):
        output = changed.run(*command, expect=1)
        assert output.count("SECRET_KEY_FALLBACKS") == 1
        assert "Traceback" not in output

    with serve_workspace(changed.with_settings(SECRET_KEY_FALLBACKS=SECRET)) as http_client:
        assert _jwks_key_ids(http_client) == key_ids
        user.client = http_client
        user.refresh()


def test_db_upgrade_is_idempotent_and_covers_every_table(repository_copy: Workspace) -> None:
    for _ in range(2):
        assert f" is at revision {migrations.head()}." in repository_copy.run("flaskauth", "db", "upgrade")

    empty_revision = _generated_revision(repository_copy, "empty")
    repository_copy.run("alembic", "upgrade", "head")
    autogenerated = _generated_revision(repository_copy, "nothing", "--autogenerate")

    assert 'revision = "' in empty_revision
    assert [line.strip() for line in autogenerated.splitlines() if "op." in line] == []


def _generated_revision(workspace: Workspace, title: str, *options: str) -> str:
    """Run `alembic revision` and return the contents of the new file."""
    workspace.run("alembic", "revision", *options, "-m", title)
    [path] = (workspace.folder / MIGRATIONS / "versions").glob(f"*_{title}.py")
    return path.read_text()


def _created_key_id(output: str) -> str:
    """Return the id of the created key."""
    match = re.search(r"^Key ([\w-]{43}) signs", output, re.MULTILINE)
    assert match, output
    return match[1]


def _listed_key_ids(workspace: Workspace) -> list[str]:
    """Return the key ids that `flaskauth keys list` shows."""
    return re.findall(r"^ *\d+ +([\w-]{43}) ", workspace.run("flaskauth", "keys", "list"), re.MULTILINE)


def _jwks_key_ids(http_client: HttpClient) -> set[str]:
    """Return the key ids of the published JWKS."""
    return {key["kid"] for key in http_client.get("/.well-known/jwks.json").expect()["keys"]}
