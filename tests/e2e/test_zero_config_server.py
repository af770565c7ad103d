"""A server without settings and without other services, in an empty folder."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.e2e import leaks
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import RunningProcess, Workspace
from tests.e2e.scenario import UserScenario
from tests.servers import free_port
from tests.support.inspect import run_concurrently

EMAIL = "grace@example.com"
SERVE = ("flaskauth", "serve")
FLASK_RUN = ("flask", "--app", "flaskauth", "run")


@contextmanager
def serve_folder(folder: Path, command: tuple[str, ...] = SERVE) -> Iterator[tuple[RunningProcess, HttpClient]]:
    """Serve the folder on a free port, and yield the server and a client on this machine."""
    port = free_port()
    with (
        Workspace(folder).start(*command, "--port", str(port), log=f"{port}.log") as server,
        closing(HttpClient(port)) as http_client,
    ):
        yield server.wait_until(http_client.is_ready), http_client


@pytest.mark.parametrize("command", [SERVE, FLASK_RUN], ids=["serve", "flask run"])
def test_full_scenario_works_in_an_empty_folder(tmp_path: Path, command: tuple[str, ...]) -> None:
    with serve_folder(tmp_path, command) as (server, http_client):
        user = UserScenario(http_client, http_client.code_for, EMAIL)
        user.run_full_scenario()

        assert server.terminate() in {0, -15}
        assert "Traceback" not in server.output
        assert "configuration_warning" not in server.output
    assert not leaks.find_leaks(user.secrets, dict(leaks.dump_files(tmp_path)))


def test_restart_keeps_account_session_and_secret_key(tmp_path: Path) -> None:
    with serve_folder(tmp_path) as (server, http_client):
        user = UserScenario(http_client, http_client.code_for, EMAIL)
        user.register_and_verify()
        user.login()
        keys = http_client.get("/.well-known/jwks.json").expect()
        server.terminate()
    secret = tmp_path / "instance" / "secret_key"
    old_secret = secret.read_text()
    assert secret.stat().st_mode & 0o777 == 0o600

    with serve_folder(tmp_path) as (_, user.client):
        user.refresh()
        user.login()
        assert user.client.get("/.well-known/jwks.json").expect() == keys
    assert secret.read_text() == old_secret


def test_two_servers_in_one_folder_share_secret_and_keys(tmp_path: Path) -> None:
    with ExitStack() as stack:
        starts = [partial(stack.enter_context, serve_folder(tmp_path)) for _ in range(2)]
        (_, first), (_, second) = run_concurrently(starts)
        keys = first.get("/.well-known/jwks.json").expect()
        assert len(keys["keys"]) == 1
        assert second.get("/.well-known/jwks.json").expect() == keys

        user = UserScenario(first, first.code_for, EMAIL)
        user.register_and_verify()
        user.login()
        user.client = second
        user.refresh()
    assert {path.name for path in (tmp_path / "instance").glob("*secret*")} == {"secret_key"}


def test_sigterm_during_startup_exits_cleanly(tmp_path: Path) -> None:
    command = (*SERVE, "--port", str(free_port()), "--workers", "2")
    with Workspace(tmp_path).start(*command) as server:
        server.wait_until(lambda: len(server.children()) == 2)

        assert server.terminate() in {0, -15}
        assert "Traceback" not in server.output


def test_development_server_cannot_bind_all_interfaces(tmp_path: Path) -> None:
    output = Workspace(tmp_path).run(*SERVE, "--host", "0.0.0.0", expect=1)

    assert "FLASKAUTH_ENV=production" in output
    assert "Traceback" not in output
