"""The hash process of a production server: shared, restarted, without secrets, and ended with the server."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import RunningProcess, Workspace
from tests.servers import free_port

from flaskauth.core.passwords.hash_process import NICENESS

SECRET = "a-secret-of-the-server-for-this-test-only"
PASSWORD = "zinc-kettle-of-an-unknown-user"
NUMBERS = count()
MODULE = "flaskauth.core.passwords.hash_process"

Server = tuple[RunningProcess, int]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A production server with two processes, on SQLite."""
    folder, port = tmp_path_factory.mktemp("hash_process"), free_port()
    settings = {
        "FLASKAUTH_ENV": "production",
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SECRET_KEY": SECRET,
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/auth.sqlite",
        "MAIL_SERVER": "127.0.0.1",
        "DRAIN_DELAY": "0",
    }
    workspace = Workspace(folder, settings)
    workspace.run("flaskauth", "db", "upgrade")
    with workspace.start("flaskauth", "serve", "--port", str(port), "--workers", "2") as running:
        with closing(HttpClient(port)) as client:
            running.wait_until(client.is_ready)
        yield running, port


def hash_process_ids(server: RunningProcess) -> list[int]:
    return [pid for pid in child_ids(server) if MODULE in read(pid, "cmdline")]


def child_ids(server: RunningProcess) -> list[int]:
    """Return the child processes of all threads: a thread restarts the hash process."""
    files = Path(f"/proc/{server.pid}/task").glob("*/children")
    return [int(pid) for file in files for pid in file.read_text().split()]


def read(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def wait_until_ended(pid: int) -> None:
    """Wait until a process has ended: then it has no command line, or no entry if its parent knows."""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and read(pid, "cmdline"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def nice_values(pid: int) -> set[int]:
    return {int(stat.read_text().rpartition(")")[2].split()[16]) for stat in Path(f"/proc/{pid}/task").glob("*/stat")}


def login(port: int) -> int:
    """Send a login of an unknown user, which hashes the password."""
    with closing(HttpClient(port)) as client:
        return client.post("/auth/login", {"email": f"ada{next(NUMBERS)}@example.com", "password": PASSWORD}).status


def test_hash_process_is_shared_and_has_low_priority(server: Server) -> None:
    running, port = server
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: login(port), range(4))) == {401}
    [pid] = hash_process_ids(running)

    assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1 + (os.cpu_count() or 1)
    [server_nice] = nice_values(running.pid)
    assert nice_values(pid) == {server_nice + NICENESS}
    assert {nice for child in child_ids(running) if child != pid for nice in nice_values(child)} == {server_nice}


def test_hash_process_has_no_secret_and_logs_no_password(server: Server) -> None:
    running, port = server
    login(port)
    [pid] = hash_process_ids(running)

    assert "sqlite" not in read(pid, "environ")
    for text in (read(pid, "environ"), read(pid, "cmdline"), running.output):
        assert SECRET not in text
        assert PASSWORD not in text


def test_workers_option_that_differs_from_setting_warns(server: Server) -> None:
    running, _port = server
    assert "--workers 2: flaskauth doctor checks WEB_CONCURRENCY=1; set WEB_CONCURRENCY instead" in running.output


def test_killed_hash_process_is_restarted_and_logged(server: Server) -> None:
    running, port = server
    [pid] = hash_process_ids(running)
    os.kill(pid, signal.SIGKILL)
    wait_until_ended(pid)  # until then it can receive a request

    assert login(port) == 401
    assert "hash_process_restarted" in running.output


def test_hash_process_ends_with_a_killed_server(server: Server) -> None:
    running, _port = server
    [pid], workers = hash_process_ids(running), child_ids(running)
    running.signal(signal.SIGKILL)
    for worker in workers:
        if worker != pid:
            os.kill(worker, signal.SIGKILL)
    wait_until_ended(pid)
