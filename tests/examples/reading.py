"""Examples as their readers run them: copied into a folder, and typed as their README says."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.documentation.blocks import ROOT
from tests.journeys.processes import COMMANDS, Place, Running
from tests.journeys.visitors import Answer, Visitor
from tests.servers import free_port

LEFT = shutil.ignore_patterns("instance", "__pycache__")


class Example:
    """One example in a folder of its own, on ports of its own."""

    def __init__(self, name: str, folder: Path, **settings: str) -> None:
        self.folder = shutil.copytree(ROOT / "examples" / name, folder / name, ignore=LEFT)
        self.ports = {f":{port}": f":{free_port()}" for port in (5000, 5001, 8000)}
        own = {"PATH": f"{COMMANDS}:/usr/bin:/bin", "FLASK_RUN_PORT": self.ports[":5000"][1:]}
        self.place = Place(self.folder, {**own, **settings})

    @property
    def port(self) -> int:
        return int(self.ports[":5000"][1:])

    def type(self, text: str, **settings: str) -> str:
        """What a block of commands says, once the last of them has ended well."""
        return self.place.having(**settings).run("/bin/bash", "-euo", "pipefail", "-c", self.moved(text))

    def start(self, text: str) -> Running:
        """A block of commands of which the last one goes on."""
        return self.place.start("/bin/bash", "-euc", self.moved(text))

    @contextmanager
    def served(self, text: str, prefix: str = "") -> Iterator["Guest"]:
        """Somebody who visits what the block starts."""
        guest = Guest(self.port, prefix)
        with self.start(text) as running:
            running.wait_until(guest.is_ready, seconds=120)  # several commands, one after the other
            yield guest
        guest.close()

    def moved(self, text: str) -> str:
        for old, new in self.ports.items():
            text = text.replace(f"localhost{old}", f"localhost{new}").replace(f"--port {old[1:]}", f"--port {new[1:]}")
        return text


class Guest(Visitor):
    """Visits a server under a prefix; what the host itself answers is at `site`."""

    def __init__(self, port: int, prefix: str = "") -> None:
        super().__init__(port)
        self._prefix = prefix
        self.site = Visitor(port)

    def close(self) -> None:
        super().close()
        self.site.close()

    def _ask(self, method: str, path: str, body: Any, token: str) -> Answer:
        return super()._ask(method, self._prefix + path, body, token)
