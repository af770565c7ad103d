"""Findings about the mode and the owner of files that contain secrets."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.doctor.helpers import run_doctor
from tests.e2e.processes import Workspace

PRODUCTION_ENV = f"SECRET_KEY={secrets.token_urlsafe(48)}\nMAIL_SERVER=127.0.0.1\nMAIL_PORT=1\n"
# File names, and the settings that make them secret.
SECRET_FILES = {
    ".env": {},
    ".env.backup": {},
    "kettles.env": {"FLASKAUTH_ENV_FILE": "kettles.env"},
    "key": {"SECRET_KEY_FILE": "key"},
    "old_keys": {"SECRET_KEY_FALLBACKS_FILE": "old_keys"},
    "mail_password": {"MAIL_PASSWORD_FILE": "mail_password"},
    "database_url": {"SQLALCHEMY_DATABASE_URI_FILE": "database_url"},
    "client.pem": {"SQLALCHEMY_DATABASE_URI": "mysql://u:p@127.0.0.1:1/x?ssl_key=client.pem"},
    "redis.pem": {"REDIS_URL": "rediss://127.0.0.1:1/0?ssl_keyfile=redis.pem"},
    "data/secret_key": {"FLASKAUTH_INSTANCE_PATH": "data"},
    "data/flaskauth.db": {"FLASKAUTH_INSTANCE_PATH": "data"},
    "data/flaskauth.db-wal": {"FLASKAUTH_INSTANCE_PATH": "data"},
    "data/flaskauth.db-shm": {"FLASKAUTH_INSTANCE_PATH": "data"},
    "data/dump.sql.gz": {"FLASKAUTH_INSTANCE_PATH": "data"},
    "auth.db": {"SQLALCHEMY_DATABASE_URI": "sqlite:///auth.db"},
    "auth.db-wal": {"SQLALCHEMY_DATABASE_URI": "sqlite:///auth.db"},
    "auth.db.2026-01-10": {"SQLALCHEMY_DATABASE_URI": "sqlite:///auth.db"},
}


@pytest.fixture
def make_workspace(tmp_path: Path) -> Callable[..., Workspace]:
    """Return a function that creates a workspace with this file, in a folder that no other user can enter."""

    def make(name: str, **settings: str) -> Workspace:
        tmp_path.chmod(0o700)
        file = tmp_path / name
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.write_text(PRODUCTION_ENV if name.endswith("env") else "mysql://u:p@127.0.0.1:1/x")
        file.chmod(0o600)
        return Workspace(tmp_path, {"FLASKAUTH_ENV": "development", "SECRET_KEY": "k" * 32, **settings})

    return make


@pytest.mark.parametrize("name", SECRET_FILES)
def test_secret_file_with_open_mode_warns(make_workspace: Callable[..., Workspace], name: str) -> None:
    settings = {"FLASKAUTH_INSTANCE_PATH": "data", **SECRET_FILES[name]}
    if "SECRET_KEY_FILE" in settings:
        settings["SECRET_KEY"] = ""
    workspace = make_workspace(name, **settings)

    assert run_doctor(workspace).finding_text("files", "ok")
    for mode in (0o644, 0o604, 0o602, 0o620):
        (workspace.folder / name).chmod(mode)
        assert name in run_doctor(workspace).finding_text("files", "warning"), oct(mode)


def test_world_readable_env_file_fails_in_production(world_readable_folder: Path) -> None:
    dotenv = world_readable_folder / ".env"
    dotenv.write_text(PRODUCTION_ENV)
    workspace = Workspace(world_readable_folder)

    for mode, state in ((0o644, "failed"), (0o640, "ok")):
        dotenv.chmod(mode)
        assert run_doctor(workspace).finding_text("files", state)

    dotenv.chmod(0o604)
    assert "all users of this machine can read .env" in run_doctor(
        workspace.with_settings(FLASKAUTH_ENV="development")
    ).finding_text("files", "warning")


def test_example_env_file_with_open_mode_passes(make_workspace: Callable[..., Workspace]) -> None:
    workspace = make_workspace(".env")
    (workspace.folder / ".env.example").write_text("#SECRET_KEY=\n")
    (workspace.folder / ".env.example").chmod(0o644)

    assert run_doctor(workspace).finding_text("files", "ok")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of a file")
@pytest.mark.parametrize("name", [".env", "data/secret_key", "data"])
def test_secret_file_of_a_different_user_warns(make_workspace: Callable[..., Workspace], name: str) -> None:
    workspace = make_workspace(".env" if name == ".env" else "data/secret_key", FLASKAUTH_INSTANCE_PATH="data")
    os.chown(workspace.folder / name, 12345, -1)
    (workspace.folder / "data").mkdir(exist_ok=True)
    report = run_doctor(workspace)

    if name == "data":  # the user of the server owns the instance folder, and root runs the command
        assert report.finding_text("files", "ok")
    else:
        assert f"{name} belongs to a different user" in report.finding_text("files", "warning")


def test_folder_that_other_users_can_write_warns(make_workspace: Callable[..., Workspace]) -> None:
    workspace = make_workspace("data/secret_key", FLASKAUTH_INSTANCE_PATH="data")
    (workspace.folder / "data").chmod(0o777)

    assert "other users can replace files in" in run_doctor(workspace).finding_text("files", "warning")
    (workspace.folder / "data").chmod(0o1777)
    assert run_doctor(workspace).finding_text("files", "ok")
