"""The documented commands as processes of their own, in a folder and an environment that hold nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.servers import mysqlclient

LONGEST = 2**26  # bytes
COMMANDS = Path(sys.executable).parent
# Ends with the tests, whichever way they end: the pipe closes, and what is left of the process group goes.
GUARD = 'read -r _; kill -s KILL -- "-$1" 2>/dev/null'


@dataclass(frozen=True)
class Place:
    """Where commands run. No virtual environment is entered, no setting is inherited."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        # A time zone far from UTC: no command may care.
        driver = mysqlclient.environment_in_use()
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "TZ": "Asia/Kathmandu", **driver, **self.settings}

    def having(self, **settings: str) -> "Place":
        """The same place with other settings; an empty one is not set."""
        return Place(self.folder, {**self.settings, **settings})

    def run(self, *words: str, expect: int | None = 0) -> str:
        """What a command says, once it has ended with the code expected (None: any but 0)."""
        done = subprocess.run(
            _command(words),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            text=True,
            check=False,
        )
        assert done.returncode == expect or (expect is None and done.returncode), done.stdout
        return done.stdout

    def start(self, *words: str, log: str = "log") -> "Running":
        return Running(words, self, self.folder / log)


class Running:
    """A command that does not end by itself, with its children."""

    def __init__(self, words: tuple[str, ...], place: Place, log: Path) -> None:
        self.log = log
        self._began = log.stat().st_size if log.exists() else 0
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                _command(words),
                cwd=place.folder,
                env=place.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(self.pid)], stdin=subprocess.PIPE, start_new_session=True
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        """What it said since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._began)
            return log.read(LONGEST).decode(errors="replace")  # /dev/full never ends

    def children(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def sockets(self) -> dict[int, int]:
        """How many sockets each of its children has open."""
        folders = {pid: Path(f"/proc/{pid}/fd") for pid in self.children()}
        return {
            pid: sum("socket:" in str(link.readlink()) for link in folder.iterdir()) for pid, folder in folders.items()
        }

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30) -> Self:
        deadline = time.monotonic() + seconds
        while not ready():
            ended = self._process.poll()
            assert ended is None, f"ended with {ended}:\n{self.said}"
            assert time.monotonic() < deadline, f"not ready in {seconds} seconds:\n{self.said}"
            time.sleep(0.02)
        return self

    def wait_for(self, words: str) -> Self:
        """Wait until it has said so."""
        return self.wait_until(lambda: words in self.said)

    def end(self, seconds: float = 10) -> int:
        """Tell it to end, as a service manager does; its code. None of its children may stay."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = 10) -> int:
        """Its code, once it has ended. None of its children may stay."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        code, left = self._process.poll(), self._left()
        self.close()
        assert code is not None, f"not ended in {seconds} seconds, {left}:\n{self.said}"
        assert not left, f"{left} outlived it:\n{self.said}"
        return code

    def close(self) -> None:
        """End it and its children as a crash would. Once: its number may be another's by now."""
        if self._guard.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        if self._guard.stdin:
            self._guard.stdin.close()
        self._guard.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _left(self) -> list[str]:
        """The processes of its group that are alive (dead ones stay until process 1 takes note of them)."""
        stats = [_read(stat) for stat in Path("/proc").glob("[0-9]*/stat")]
        rest = {stat: stat.rpartition(")")[2].split() for stat in stats if stat}
        return [
            stat for stat, (state, _parent, group, *_more) in rest.items() if group == str(self.pid) and state != "Z"
        ]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended meanwhile
        return ""


def _command(words: tuple[str, ...]) -> list[str]:
    return [str(COMMANDS / words[0]), *words[1:]]
