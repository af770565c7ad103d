"""A server process that cannot outlive the tests, whichever way they end."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from tests.servers.binaries import Binaries, binaries

# Reads the process id to look after, one line for each start (an empty one after a stop). The pipe closes when the
# tests end, even by `kill -9`: then it ends the server and removes its folder. No signal handler and no parent-death
# signal does as much: the one does not run, the other goes with the thread that started the server.
GUARD = """
while read -r line; do pid=$line; done
[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
rm -rf "$1"
"""
BELOW_THE_PORTS_OF_CLIENTS = range(15_000, 32_000)
_given: set[int] = set()
_chance = random.SystemRandom()  # hypothesis seeds the shared generator alike in every worker


def free_port() -> int:
    """A loopback port that nothing uses, each once, from below the range that outgoing connections could take."""
    while True:
        port = _chance.choice(BELOW_THE_PORTS_OF_CLIENTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


def short_folder(name: str) -> Path:
    """A new folder whose path leaves room for a socket's name (107 characters in all)."""
    base = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base if len(base) < 60 else "/tmp"))


class Server(ABC):
    """Started, stopped, killed and started again on one port, over one folder."""

    name: str
    patience = 30.0

    def __init__(self) -> None:
        self.port = free_port()
        self.home = short_folder(self.name)
        self.log = self.home / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", self.home], stdin=subprocess.PIPE, bufsize=0, start_new_session=True
        )

    @cached_property
    def binaries(self) -> Binaries:
        return binaries()

    @property
    def environment(self) -> Mapping[str, str]:
        return self.binaries.environment

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What starts it."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it does what it is for."""

    def start(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._guards(str(self._process.pid))
        self._wait_until(self.answers)
        return self

    def stop(self) -> None:
        """Let it end in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Connected, and silent: each of its threads, the last of which may stop some milliseconds after the signal."""
        self._signal(signal.SIGSTOP)
        if self._process:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its folder."""
        self.kill()
        if self._guard.stdin:
            self._guard.stdin.close()
        self._guard.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if not self._process:
            return
        self._signal(number)
        self._signal(signal.SIGCONT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._guards("")

    def _guards(self, pid: str) -> None:
        if self._guard.stdin:
            self._guard.stdin.write(f"{pid}\n".encode())

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.patience
        while not ready():
            if self._process is None or self._process.poll() is not None:
                self._give_up("ended at once")
            if time.monotonic() > deadline:
                self._give_up(f"did not answer in {self.patience:.0f} seconds")
            time.sleep(0.02)

    def _give_up(self, what: str) -> None:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        self.kill()
        raise RuntimeError(f"{self.name} {what}. The end of its log:\n{tail}")
