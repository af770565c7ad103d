"""A shell beside a running server, into which the blocks of a page are pasted as they stand."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.journeys.processes import COMMANDS, Place
from tests.journeys.visitors import Visitor
from tests.people import GRACE
from tests.servers import free_port


@dataclass(frozen=True)
class Shell:
    """A shell in the folder of a server that answers at `port`."""

    place: Place
    port: int

    def paste(self, *blocks: str) -> str:
        """What the blocks say, one after the other in one shell; only the server's port is another."""
        script = "\n".join(blocks).replace("localhost:5000", self.address).replace("127.0.0.1:5000", self.address)
        done = subprocess.run(
            ["bash", "-eu"],
            input=script,
            cwd=self.place.folder,
            env={**self.place.environment, "PATH": f"{COMMANDS}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def answers(self, *blocks: str) -> list[Any]:
        """The same, where each line is an answer in JSON."""
        return [json.loads(line) for line in self.paste(*blocks).splitlines()]

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"


@contextmanager
def serving(place: Place) -> Iterator[tuple[Shell, Visitor]]:
    """A server that runs with what is set in this place, a shell beside it, and somebody who visits it."""
    port = free_port()
    own = place if "PUBLIC_URL" in place.settings else place.having(PUBLIC_URL=f"http://localhost:{port}")
    words = ("flaskauth", "serve", "--port", str(port))
    with own.start(*words, log=f"log-{port}") as server, closing(Visitor(port)) as visitor:
        server.wait_until(visitor.is_ready)
        yield Shell(own, port), visitor


@contextmanager
def served(folder: Path, **settings: str) -> Iterator[Shell]:
    """The shell beside a server that runs in an empty folder, with nothing set but what is named here."""
    with serving(Place(folder, settings)) as (shell, _visitor):
        yield shell


def join_grace(visitor: Visitor) -> None:
    """The account that the pages use."""
    attempt = visitor.post("/auth/register", GRACE).expect()["verification_id"]
    code = visitor.code_for(GRACE["email"])
    visitor.post("/auth/verify", {"otp": code, "verification_id": attempt}).expect()
