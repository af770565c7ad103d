"""Commands use the settings of an installation from any folder, and create nothing in a folder without one."""

from pathlib import Path

import pytest
from tests.e2e.processes import Workspace
from tests.servers import free_port

ADMIN_COMMANDS = (
    ("doctor",),
    ("doctor", "--json"),
    ("users", "show", "grace@example.com"),
    ("users", "export", "users.jsonl"),
    ("mail", "list"),
    ("keys", "list"),
    ("keys", "rotate"),
    ("audit", "verify"),
    ("sessions", "revoke-all", "--yes"),
    ("db", "plan"),
)
SETTINGS = f"FLASKAUTH_ENV=development\nPUBLIC_URL=http://localhost:{free_port()}\nAPP_NAME=Kettles\nFLASKAUTH_INSTANCE_PATH={{}}/data\n"


@pytest.mark.parametrize("command", ADMIN_COMMANDS, ids=" ".join)
def test_command_in_empty_folder_creates_nothing_and_exits_2(tmp_path: Path, command: tuple[str, ...]) -> None:
    output = Workspace(tmp_path).run("flaskauth", *command, expect=2)

    for searched in (f"{tmp_path}/.env", "/etc/flaskauth/flaskauth.env", f"{tmp_path}/instance/flaskauth.db"):
        assert searched in output
    assert "FLASKAUTH_ENV_FILE" in output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["auth users list", "auth doctor", "auth db upgrade", "routes", "shell"])
def test_flask_command_in_empty_folder_creates_nothing(tmp_path: Path, command: str) -> None:
    output = Workspace(tmp_path).run("flask", "--app", "flaskauth", *command.split(), expect=2)

    assert f"{tmp_path}/instance/flaskauth.db" in output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("settings", [{}, {"FLASKAUTH_INSTANCE_PATH": "data"}])
def test_worker_without_database_creates_nothing(tmp_path: Path, settings: dict[str, str]) -> None:
    workspace = Workspace(tmp_path, {"REDIS_URL": "redis://127.0.0.1:1/0", **settings})
    output = workspace.run("celery", "-A", "flaskauth.celery", "worker", expect=None)

    assert f"{tmp_path}/{'data' if settings else 'instance'}/flaskauth.db" in output
    assert "Traceback" not in output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ADMIN_COMMANDS[2:-1], ids=" ".join)
@pytest.mark.parametrize("settings", [{"SQLALCHEMY_DATABASE_URI": "sqlite:///other.db"}, {"JWT_DURATION": "5"}])
def test_command_without_sqlite_file_creates_nothing(
    tmp_path: Path, command: tuple[str, ...], settings: dict[str, str]
) -> None:
    (tmp_path / ".env").write_text("FLASKAUTH_ENV=development\n")

    output = Workspace(tmp_path, settings).run("flaskauth", *command, expect=2)

    assert "does not exist" in output
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_env_file_setting_is_used_in_any_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    env_file = tmp_path / "kettles.env"
    env_file.write_text(SETTINGS.format(tmp_path))
    workspace = Workspace(tmp_path / "elsewhere", {"FLASKAUTH_ENV_FILE": str(env_file)})
    workspace.run("flaskauth", "db", "upgrade")

    assert "No entries" in workspace.run("flaskauth", "mail", "list")
    assert f"from the environment and {env_file}" in workspace.run("flaskauth", "doctor", "--json")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_created_sqlite_database_is_readable_by_owner_only(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"SQLALCHEMY_DATABASE_URI": "sqlite:///auth.db", "FLASKAUTH_ENV": "development"})
    workspace.run("flaskauth", "db", "upgrade")

    assert (tmp_path / "auth.db").stat().st_mode & 0o777 == 0o600


def test_script_that_creates_a_database_names_it(tmp_path: Path) -> None:
    command = ("python", "-c", "import flaskauth; flaskauth.create_app()")
    outputs = [Workspace(tmp_path).run(*command) for _ in range(2)]

    warning = f"SQLALCHEMY_DATABASE_URI: not set, so the new SQLite database {tmp_path}/instance/flaskauth.db is used"
    assert [output.count(warning) for output in outputs] == [1, 0]
