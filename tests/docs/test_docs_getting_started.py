"""The getting-started page, followed step by step."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.docs.code_blocks import block
from tests.docs.repository_copy import copy_repository, user_environment
from tests.docs.response_match import matches_example
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import BIN_FOLDER, Workspace
from tests.servers import MariaDB, free_port

EMAIL = "grace@example.com"


class Reader:
    """A user with a clone who runs the commands of the page. Only the port is replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()

    def run_block(self, text: str, **replaced: str) -> str:
        """Run a block in a shell and return its output."""
        for old, new in {"localhost:5000": f"127.0.0.1:{self.port}", **replaced}.items():
            text = text.replace(old, new)
        process = subprocess.run(
            ["bash", "-euc", text], cwd=self.folder, capture_output=True, text=True, timeout=300, check=False
        )
        assert process.returncode == 0, process.stderr
        return process.stdout

    @contextmanager
    def running(self, command: str, port: str = "PORT={}") -> Iterator[HttpClient]:
        command_line = ("/usr/bin/env", *command.split(), *port.format(self.port).split())
        with (
            Workspace(self.folder, user_environment()).start(*command_line) as server,
            closing(HttpClient(self.port)) as http_client,
        ):
            server.wait_until(http_client.is_ready, seconds=120).wait_for_output("/dev/mailbox")
            yield http_client

    def register_and_login(self, http_client: HttpClient) -> None:
        """Register, verify, sign in and get the profile; compare each response with the page."""
        registered = json.loads(self.run_block(block("docs/tutorials/getting-started.md", "register")))
        assert matches_example(registered, json.loads(block("docs/tutorials/getting-started.md", "registered")))
        verify = block("docs/tutorials/getting-started.md", "verify")
        verified = json.loads(self.run_block(verify, **{"BCDF-2345": http_client.code_for(EMAIL)}))
        assert verified == json.loads(block("docs/tutorials/getting-started.md", "verified"))
        signed_in = json.loads(self.run_block(block("docs/tutorials/getting-started.md", "sign-in")))
        assert matches_example(signed_in, json.loads(block("docs/tutorials/getting-started.md", "signed-in")))
        profile = self.run_block(
            block("docs/tutorials/getting-started.md", "profile"), **{"<token>": signed_in["token"]}
        )
        assert json.loads(profile)["user"] == signed_in["user"]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    folder = tmp_path_factory.mktemp("clone")
    copy_repository(folder)
    return Reader(folder)


def test_getting_started_leads_to_login(reader: Reader) -> None:
    assert block("README.md", "run") == block("docs/tutorials/getting-started.md", "run")
    with reader.running(block("README.md", "run")) as http_client:
        assert json.loads(reader.run_block(block("README.md", "hello"))) == {"message": "Hello It Works"}
        reader.register_and_login(http_client)


def test_getting_started_without_make_leads_to_login(tmp_path: Path) -> None:
    """Packages are installed with uv, from the configured index."""
    copy_repository(tmp_path)
    reader = Reader(tmp_path)
    uv = f"{BIN_FOLDER}/uv --quiet"
    venv, *installs, serve = block("docs/tutorials/getting-started.md", "by-hand").splitlines()
    reader.run_block(venv, **{"python3 -m venv": f"{uv} venv --python {sys.executable}"})
    for install in installs:
        reader.run_block(install, **{".venv/bin/pip install": f"{uv} pip install --python .venv/bin/python"})
    with reader.running(serve, "--port {}") as http_client:
        reader.register_and_login(http_client)


def test_getting_started_on_mariadb_leads_to_login(reader: Reader) -> None:
    with MariaDB() as mariadb:
        for statement in block("docs/tutorials/getting-started.md", "database").strip().split(";\n"):
            mariadb.execute(statement.rstrip(";").replace("@localhost", "@'%'"))
        env = block("docs/tutorials/getting-started.md", "env").replace("@localhost/", f"@127.0.0.1:{mariadb.port}/")
        (reader.folder / ".env").write_text(env)
        migrate, run = block("docs/tutorials/getting-started.md", "migrate").splitlines()
        reader.run_block(migrate)
        with reader.running(run) as http_client:
            reader.register_and_login(http_client)
