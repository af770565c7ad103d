"""The installed `flaskauth` script in a new interpreter. The other tests fork the command from a loaded process."""

from contextlib import closing
from pathlib import Path

import pytest
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.servers import free_port

from flaskauth import __version__, migrations


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, is_forked=False)


def test_installed_command_prints_its_version(workspace: Workspace) -> None:
    assert workspace.run("flaskauth", "--version").strip() == f"flaskauth, version {__version__}"


def test_installed_command_upgrades_the_database(workspace: Workspace) -> None:
    assert f"is at revision {migrations.head()}." in workspace.run("flaskauth", "db", "upgrade")
    assert (workspace.folder / "instance" / "flaskauth.db").is_file()


def test_installed_command_serves_requests(workspace: Workspace) -> None:
    port = free_port()
    with workspace.start("flaskauth", "serve", "--port", str(port)) as server, closing(HttpClient(port)) as http_client:
        server.wait_until(http_client.is_ready)

        assert http_client.get("/hello").expect() == {"message": "Hello It Works"}
        assert server.terminate() == 0
