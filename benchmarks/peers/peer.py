"""A peer: an application built from another project's documentation, served and loaded like flaskauth."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.processes import Workspace
from tests.servers import free_port

from benchmarks.peers.client import PeerClient
from benchmarks.peers.environments import PeerEnvironment
from benchmarks.wrk import Load

Loads = Mapping[str, Callable[[PeerClient], Load]]


@dataclass(frozen=True)
class LoadTarget:
    """A running system: its port, a factory of each operation's load with fresh tokens, and its first process."""

    port: int
    loads: Mapping[str, Callable[[], Load]]
    pid: int


@dataclass(frozen=True)
class Peer:
    """An application in its own environment, with 10,000 users who share one password hash."""

    name: str
    hash: str
    environment: PeerEnvironment
    commands: Mapping[str, tuple[str, ...]]
    """The command of each server that can run the application; {port} is replaced by the port."""
    seed_command: tuple[str, ...]
    """The command that creates the tables and the users."""
    load_factories: Loads
    """The supported operations among "profile", "refresh" and "sign-in"."""
    rotates_refresh_tokens: bool = False
    warm_up_seconds: float = 0
    """Seconds of load until the profile and refresh operations reach their full rate."""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self.commands)

    def install(self) -> None:
        """Install the environment, if it is missing or outdated."""
        self.environment.install()

    def versions(self) -> dict[str, str]:
        return self.environment.versions()

    @contextmanager
    def serve(self, server: str, database_url: str) -> Iterator[LoadTarget]:
        """Run the application on this empty database, and yield once it is ready."""
        port = free_port()
        client = PeerClient(port)
        with TemporaryDirectory() as directory:
            workspace = Workspace(Path(directory), {**self._settings(port, database_url), **self.settings})
            workspace.run(*self.environment.command(self.seed_command))
            command = [argument.format(port=port) for argument in self.environment.command(self.commands[server])]
            with workspace.start(*command) as process:
                process.wait_until(client.is_ready)
                loads = {name: _bind_client(make_load, client) for name, make_load in self.load_factories.items()}
                yield LoadTarget(port, loads, process.pid)

    def _settings(self, port: int, database_url: str) -> dict[str, str]:
        secret = secrets.token_urlsafe(48)
        common_settings = {"DATABASE_URL": database_url, "SECRET_KEY": secret, "PORT": str(port), "TZ": "UTC"}
        return {**common_settings, **PeerClient.SETTINGS, **self.environment.settings()}


def _bind_client(make_load: Callable[[PeerClient], Load], client: PeerClient) -> Callable[[], Load]:
    return lambda: make_load(client)
