"""haproxy, in front of whatever its configuration says."""

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.servers.clusters import cluster_tools
from tests.servers.process import Server


class HAProxy(Server):
    """With other addresses than the configuration has: those of `moved`; and with a folder for the files it names."""

    name = "haproxy"

    def __init__(self, configuration: str = "", files: Mapping[str, str] | None = None, **moved: str) -> None:
        super().__init__()
        self.configuration = configuration
        self.files = files or {}
        self.moved: dict[str, str] = dict(moved)

    @property
    def environment(self) -> Mapping[str, str]:
        return cluster_tools().environment

    def start(self) -> Self:
        for name, text in {**self.files, "configuration": self.configuration}.items():
            (self.home / name).write_text(self._moved(text))
            (self.home / name).chmod(0o700)
        return super().start()

    def answers(self) -> bool:
        """Whether it leads to somebody who says something, as a database does at once."""
        with socket.socket() as probe, suppress(OSError):
            probe.settimeout(1)
            probe.connect(("127.0.0.1", self.port))
            return probe.recv(1) != b""
        return False

    def command(self) -> Sequence[str | Path]:
        return [cluster_tools().haproxy, "-db", "-f", self.home / "configuration"]

    def _moved(self, text: str) -> str:
        for there, here in {**self.moved, "/etc/haproxy": str(self.home)}.items():
            text = text.replace(there, here)
        return text
