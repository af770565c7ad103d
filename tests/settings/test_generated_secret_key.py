"""Without SECRET_KEY the development server generates one, once for concurrent starts, readable by its owner only."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from tests.support.inspect import error_of
from tests.support.users import UserFactory

from flaskauth import create_app
from flaskauth.core.db.session import dispose_engines
from flaskauth.core.jobs import background
from flaskauth.settings import Settings

PROCESSES = 6
PROGRAM = f"""
import multiprocessing, sys
from pathlib import Path
from flaskauth.settings import Settings
fork = multiprocessing.get_context("fork")
start = fork.Barrier({PROCESSES})
def load(_number):
    start.wait()
    return Settings.load({{"FLASKAUTH_INSTANCE_PATH": sys.argv[1]}}, Path("no.env")).secrets[0]
with fork.Pool({PROCESSES}) as pool:
    print(*pool.map(load, range({PROCESSES}), chunksize=1))
"""


def generated_secret(folder: Path) -> str:
    return Settings.load({"FLASKAUTH_INSTANCE_PATH": str(folder)}, folder / "no.env").secrets[0]


def file_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def default_app(folder: Path, **environ: str) -> Iterator[Flask]:
    app = create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": str(folder), **environ}, folder / "no.env"))
    yield app
    app.extensions[background.KEY].stop()
    with app.app_context():
        dispose_engines()


def test_secret_key_is_generated_once_with_owner_only_mode(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    secret = generated_secret(folder)

    assert len(secret) == 64
    assert generated_secret(folder) == secret != generated_secret(tmp_path / "second")
    assert (file_mode(folder), file_mode(folder / "secret_key")) == (0o700, 0o600)
    assert [path.name for path in folder.iterdir()] == ["secret_key"]


def test_secret_key_concurrent_processes_share_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "instance")]
    secrets = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()

    assert (len(secrets), len(set(secrets))) == (PROCESSES, 1)
    assert [path.name for path in (tmp_path / "instance").iterdir()] == ["secret_key"]


def test_secret_key_concurrent_threads_share_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(generated_secret, [tmp_path / "instance"] * 24))) == 1


def test_secret_key_from_settings_writes_no_file(tmp_path: Path) -> None:
    settings = Settings.load(
        {"SECRET_KEY": "given", "FLASKAUTH_INSTANCE_PATH": str(tmp_path / "instance")}, tmp_path / "none"
    )

    assert settings.secrets == ("given",)
    assert not (tmp_path / "instance").exists()


def test_register_and_login_without_settings_succeed(tmp_path: Path) -> None:
    with default_app(tmp_path / "instance") as app:
        tokens = UserFactory(app).create_verified(at="127.0.0.1").login_ok()
    with default_app(tmp_path / "instance") as restarted:
        headers = {"Authorization": f"Bearer {tokens['token']}"}
        assert restarted.test_client().get("/users/profile", headers=headers).status_code == 200


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1"])
def test_development_server_non_loopback_client_gets_403(tmp_path: Path, peer: str) -> None:
    with default_app(tmp_path / "instance") as app:
        for path in ("/", "/health/live", "/auth/login", "/nothing"):
            response = app.test_client().get(path, environ_base={"REMOTE_ADDR": peer})
            assert error_of(response) == (403, "forbidden")
            assert "FLASKAUTH_ENV=production" in response.get_json()["message"]
        for loopback in ("127.0.0.1", "::1", "127.8.8.8", "::ffff:127.0.0.1"):
            assert app.test_client().get("/hello", environ_base={"REMOTE_ADDR": loopback}).status_code == 200
