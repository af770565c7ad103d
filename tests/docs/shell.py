"""A shell next to a running server, which runs the code blocks of a page unchanged."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.http_client import HttpClient
from tests.e2e.processes import BIN_FOLDER, Workspace
from tests.servers import free_port
from tests.support.fork_server import script_folder
from tests.support.users import GRACE


@dataclass(frozen=True)
class Shell:
    """A shell in the working directory of a server that listens on `port`."""

    workspace: Workspace
    port: int

    def paste(self, *blocks: str) -> str:
        """Run the blocks in one shell and return their output. Only the port of the server is replaced."""
        script = "\n".join(blocks).replace("localhost:5000", self.address).replace("127.0.0.1:5000", self.address)
        process = subprocess.run(
            ["bash", "-eu"],
            input=script,
            cwd=self.workspace.folder,
            env={**self.workspace.environment, "PATH": f"{script_folder()}:{BIN_FOLDER}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    def paste_json(self, *blocks: str) -> list[Any]:
        """Run the blocks and parse each line of their output as JSON."""
        return [json.loads(line) for line in self.paste(*blocks).splitlines()]

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"


@contextmanager
def serve_workspace(workspace: Workspace) -> Iterator[tuple[Shell, HttpClient]]:
    """Start a server in a workspace, with its settings, and return a shell and an HTTP client for it."""
    port = free_port()
    configured = (
        workspace
        if "PUBLIC_URL" in workspace.settings
        else workspace.with_settings(PUBLIC_URL=f"http://localhost:{port}")
    )
    command = ("flaskauth", "serve", "--port", str(port))
    with configured.start(*command, log=f"log-{port}") as server, closing(HttpClient(port)) as http_client:
        server.wait_until(http_client.is_ready)
        yield Shell(configured, port), http_client


@contextmanager
def serve_folder(folder: Path, **settings: str) -> Iterator[Shell]:
    """Start a server with only these settings, and return a shell for it."""
    with serve_workspace(Workspace(folder, settings)) as (shell, _http_client):
        yield shell


def register_grace(http_client: HttpClient) -> None:
    """Create the verified account that the pages use."""
    verification_id = http_client.post("/auth/register", GRACE).expect()["verification_id"]
    code = http_client.code_for(GRACE["email"])
    http_client.post("/auth/verify", {"otp": code, "verification_id": verification_id}).expect()
