"""Run the examples as their readers do: copied into a folder, with the commands of their README."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.docs.code_blocks import ROOT
from tests.e2e.http_client import HttpClient, HttpResponse
from tests.e2e.processes import BIN_FOLDER, RunningProcess, Workspace
from tests.servers import free_port
from tests.support.fork_server import script_folder

IGNORED_FILES = shutil.ignore_patterns("instance", "__pycache__")


class Example:
    """A copy of one example, with free ports instead of the documented ones."""

    def __init__(self, name: str, folder: Path, **settings: str) -> None:
        self.folder = shutil.copytree(ROOT / "examples" / name, folder / name, ignore=IGNORED_FILES)
        self.ports = {f":{port}": f":{free_port()}" for port in (5000, 5001, 8000)}
        environment = {
            "PATH": f"{script_folder()}:{BIN_FOLDER}:/usr/bin:/bin",
            "FLASK_RUN_PORT": self.ports[":5000"][1:],
        }
        self.workspace = Workspace(self.folder, {**environment, **settings})

    @property
    def port(self) -> int:
        return int(self.ports[":5000"][1:])

    def run_block(self, text: str, **settings: str) -> str:
        """Run a block of shell commands that must succeed, and return its output."""
        return self.workspace.with_settings(**settings).run(
            "/bin/bash", "-euo", "pipefail", "-c", self.with_own_ports(text)
        )

    def start_block(self, text: str) -> RunningProcess:
        """Start a block of shell commands whose last command keeps running."""
        return self.workspace.start("/bin/bash", "-euc", self.with_own_ports(text))

    @contextmanager
    def serve_block(self, text: str, prefix: str = "") -> Iterator["PrefixedClient"]:
        """Start a block of shell commands that ends with a server, and yield a client."""
        client = PrefixedClient(self.port, prefix)
        with self.start_block(text) as running:
            running.wait_until(client.is_ready, seconds=120)  # the block runs several commands first
            yield client
        client.close()

    def with_own_ports(self, text: str) -> str:
        for old, new in self.ports.items():
            text = text.replace(f"localhost{old}", f"localhost{new}").replace(f"--port {old[1:]}", f"--port {new[1:]}")
        return text


class PrefixedClient(HttpClient):
    """A client of a server that is mounted under a prefix; `host_client` sends requests to the host application."""

    def __init__(self, port: int, prefix: str = "") -> None:
        super().__init__(port)
        self._prefix = prefix
        self.host_client = HttpClient(port)

    def close(self) -> None:
        super().close()
        self.host_client.close()

    def _request(self, method: str, path: str, body: Any, token: str) -> HttpResponse:
        return super()._request(method, self._prefix + path, body, token)
