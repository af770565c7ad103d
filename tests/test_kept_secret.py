"""With nothing set the server keeps a secret of its own: made once, whoever starts beside, and read by nobody else."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from tests.inside import refused
from tests.people import People

from flaskauth import create_app
from flaskauth.foundation import jobs
from flaskauth.foundation.db import hang_up
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


def kept(folder: Path) -> str:
    return Settings.load({"FLASKAUTH_INSTANCE_PATH": str(folder)}, folder / "no.env").secrets[0]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def embedded(folder: Path, **environ: str) -> Iterator[Flask]:
    app = create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": str(folder), **environ}, folder / "no.env"))
    yield app
    app.extensions[jobs.KEY].stop()
    with app.app_context():
        hang_up()


def test_it_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    secret = kept(folder)

    assert len(secret) == 64
    assert kept(folder) == secret != kept(tmp_path / "another")
    assert (mode(folder), mode(folder / "secret_key")) == (0o700, 0o600)
    assert [path.name for path in folder.iterdir()] == ["secret_key"]


def test_processes_that_start_together_keep_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "instance")]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()

    assert (len(told), len(set(told))) == (PROCESSES, 1)
    assert [path.name for path in (tmp_path / "instance").iterdir()] == ["secret_key"]


def test_threads_that_start_together_keep_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(kept, [tmp_path / "instance"] * 24))) == 1


def test_a_secret_that_is_set_is_not_kept(tmp_path: Path) -> None:
    settings = Settings.load(
        {"SECRET_KEY": "given", "FLASKAUTH_INSTANCE_PATH": str(tmp_path / "instance")}, tmp_path / "none"
    )

    assert settings.secrets == ("given",)
    assert not (tmp_path / "instance").exists()


def test_with_nothing_set_people_join_and_sign_in(tmp_path: Path) -> None:
    with embedded(tmp_path / "instance") as app:
        welcome = People(app).joined(at="127.0.0.1").signed_in()
    with embedded(tmp_path / "instance") as again:
        headers = {"Authorization": f"Bearer {welcome['token']}"}
        assert again.test_client().get("/users/profile", headers=headers).status_code == 200


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1"])
def test_development_answers_this_machine_only(tmp_path: Path, peer: str) -> None:
    with embedded(tmp_path / "instance") as app:
        for path in ("/", "/health/live", "/auth/login", "/nothing"):
            answer = app.test_client().get(path, environ_base={"REMOTE_ADDR": peer})
            assert refused(answer) == (403, "forbidden")
            assert "FLASKAUTH_ENV=production" in answer.get_json()["message"]
        for here in ("127.0.0.1", "::1", "127.8.8.8", "::ffff:127.0.0.1"):
            assert app.test_client().get("/hello", environ_base={"REMOTE_ADDR": here}).status_code == 200
