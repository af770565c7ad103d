"""Server processes that cannot outlive the tests, however the tests end."""

import contextlib
import os
import random
import shutil
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

from tests.servers.binaries import Binaries, find_binaries
from tests.support import server_logs

# Reads the process id to look after, one line for each start (an empty one after a stop). The pipe closes when the
# tests end, even by `kill -9`: then it ends the server and removes its folder. No signal handler and no parent-death
# signal does as much: the one does not run, the other goes with the thread that started the server.
WATCHDOG_SCRIPT = """
while read -r line; do pid=$line; done
[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
rm -rf "$1"
"""
MEMORY = "/dev/shm"
REQUIRED_MEMORY = 2 * 2**30  # bytes; the data folder of a MariaDB server has some 100 MiB
PORT_RANGE = range(15_000, 32_000)
_allocated_ports: set[int] = set()
_random = random.SystemRandom()  # hypothesis seeds the shared generator alike in every worker


def free_port() -> int:
    """Return an unused loopback port, each only once, below the range of ports for outgoing connections."""
    while True:
        port = _random.choice(PORT_RANGE)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _allocated_ports:
                _allocated_ports.add(port)
                return port


def data_root() -> str:
    """Return the folder for the files of databases: in memory where there is room, because no test needs a disk."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > REQUIRED_MEMORY:
        return MEMORY
    return tempfile.gettempdir()


def short_temp_folder(name: str, base: str | None = None) -> Path:
    """Create a folder whose path is short enough for Unix sockets in it (107 characters in total)."""
    base = base or data_root()
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base if len(base) < 60 else "/tmp"))


class Server(ABC):
    """A server that can be stopped, killed and started again with the same port and folder."""

    name: str
    start_timeout = 30.0

    def __init__(self, folder: str | None = None) -> None:
        """`folder` is the folder for the files of the server, instead of `data_root()`."""
        self.port = free_port()
        self.home = short_temp_folder(self.name, folder)
        self.log = self.home / "log"
        server_logs.register(self, self.log)
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", WATCHDOG_SCRIPT, "guard", self.home],
            stdin=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )

    @cached_property
    def binaries(self) -> Binaries:
        return find_binaries()

    @property
    def pid(self) -> int:
        """The process id; 0 if the server is stopped."""
        return self._process.pid if self._process else 0

    @property
    def environment(self) -> Mapping[str, str]:
        return self.binaries.environment

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Return the command that starts the server."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return True if the server accepts requests."""

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
        self._set_watched_pid(str(self._process.pid))
        self._wait_until(self.is_ready)
        return self

    def stop(self) -> None:
        """Stop the server by SIGTERM."""
        self._terminate(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server, as a crash does."""
        self._terminate(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Stop all threads of the server, but keep connections open. The last may stop some milliseconds later."""
        self._signal(signal.SIGSTOP)
        if self._process:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill the server and delete its folder."""
        self.kill()
        if self._watchdog.stdin:
            self._watchdog.stdin.close()
        self._watchdog.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)

    def _terminate(self, number: signal.Signals) -> None:
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
        self._set_watched_pid("")

    def _set_watched_pid(self, pid: str) -> None:
        if self._watchdog.stdin:
            self._watchdog.stdin.write(f"{pid}\n".encode())

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.start_timeout
        while not ready():
            if self._process is None or self._process.poll() is not None:
                self._fail("exited during startup")
            if time.monotonic() > deadline:
                self._fail(f"is not ready after {self.start_timeout:.0f} seconds")
            time.sleep(0.02)

    def _fail(self, reason: str) -> None:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        self.kill()
        raise RuntimeError(f"{self.name} {reason}. The end of its log:\n{tail}")
