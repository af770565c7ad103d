"""What a peer is: an application that somebody else's documentation describes, served and loaded as ours is."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.journeys.processes import Place
from tests.servers import free_port

from benchmarks.peers.asking import Visit
from benchmarks.peers.homes import Home
from benchmarks.wrk import Load

Loads = Mapping[str, Callable[[Visit], Load]]


@dataclass(frozen=True)
class Site:
    """A peer that answers: where, and what to ask of it, each time with fresh tokens."""

    port: int
    loads: Mapping[str, Callable[[], Load]]


@dataclass(frozen=True)
class Peer:
    """An application in a home of its own, with 10,000 people who share one password and its one hash."""

    name: str
    hash: str
    home: Home
    commands: Mapping[str, tuple[str, ...]]
    """The command of each server that it runs under; {port} stands for the port."""
    fill: tuple[str, ...]
    """The command that makes the tables and the people."""
    asks: Loads
    """Among "profile", "refresh", "sign-in" and "register", those that it has."""
    rotates: bool = False
    warm_up: float = 0
    """Seconds of load before the profile and the refresh are as fast as they get."""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(self.commands)

    def install(self) -> None:
        """Unless it is there."""
        self.home.install()

    def versions(self) -> dict[str, str]:
        return self.home.versions()

    @contextmanager
    def serving(self, server: str, database_url: str) -> Iterator[Site]:
        """The application on this empty database, once it answers."""
        port = free_port()
        visit = Visit(port)
        with TemporaryDirectory() as folder:
            place = Place(Path(folder), {**self._settings(port, database_url), **self.settings})
            place.run(*self.home.command(self.fill))
            words = [word.format(port=port) for word in self.home.command(self.commands[server])]
            with place.start(*words) as running:
                running.wait_until(visit.is_answered)
                yield Site(port, {name: _again(ask, visit) for name, ask in self.asks.items()})

    def _settings(self, port: int, database_url: str) -> dict[str, str]:
        secret = secrets.token_urlsafe(48)
        of_all = {"DATABASE_URL": database_url, "SECRET_KEY": secret, "PORT": str(port), "TZ": "UTC"}
        return {**of_all, **Visit.SETTINGS, **self.home.settings()}


def _again(ask: Callable[[Visit], Load], visit: Visit) -> Callable[[], Load]:
    return lambda: ask(visit)
