"""A private haproxy."""

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.servers.cluster_tools import find_cluster_tools
from tests.servers.process import Server


class HAProxy(Server):
    """haproxy with replaced texts (addresses) in its configuration, and a folder for the files that it refers to."""

    name = "haproxy"

    def __init__(self, configuration: str = "", files: Mapping[str, str] | None = None, **replacements: str) -> None:
        super().__init__()
        self.configuration = configuration
        self.files = files or {}
        self.replacements: dict[str, str] = dict(replacements)

    @property
    def environment(self) -> Mapping[str, str]:
        return find_cluster_tools().environment

    def start(self) -> Self:
        for name, text in {**self.files, "configuration": self.configuration}.items():
            (self.home / name).write_text(self._with_replacements(text))
            (self.home / name).chmod(0o700)
        return super().start()

    def is_ready(self) -> bool:
        """Return True if a backend sends its greeting, as a database does immediately."""
        with socket.socket() as probe, suppress(OSError):
            probe.settimeout(1)
            probe.connect(("127.0.0.1", self.port))
            return probe.recv(1) != b""
        return False

    def command(self) -> Sequence[str | Path]:
        return [find_cluster_tools().haproxy, "-db", "-f", self.home / "configuration"]

    def _with_replacements(self, text: str) -> str:
        for old, new in {**self.replacements, "/etc/haproxy": str(self.home)}.items():
            text = text.replace(old, new)
        return text
