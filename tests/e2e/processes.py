"""Run the documented commands as separate processes, in an empty folder and an empty environment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Self

from tests.servers import mysqlclient
from tests.support import server_logs
from tests.support.fork_server import ForkedProcess, can_run

MAX_LOG_BYTES = 2**26  # bytes
BIN_FOLDER = Path(sys.executable).parent
# However the tests end, the pipe closes, and this script kills the rest of the process group.
WATCHDOG_SCRIPT = 'read -r _; kill -s KILL -- "-$1" 2>/dev/null'


@dataclass(frozen=True)
class Workspace:
    """A folder in which commands run, without an activated virtual environment and without inherited settings."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    is_forked: bool = True  # False: run the installed script, in a new interpreter

    @property
    def environment(self) -> dict[str, str]:
        # A time zone far from UTC, which no command may depend on.
        driver = mysqlclient.active_driver_environment()
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "TZ": "Asia/Kathmandu", **driver, **self.settings}

    def with_settings(self, **settings: str) -> "Workspace":
        """Return the same folder with changed settings. An empty value means unset."""
        return replace(self, settings={**self.settings, **settings})

    def run(self, *command: str, expect: int | None = 0) -> str:
        """Run a command for up to a minute and return its output. Assert the exit status (None: any but 0)."""
        with TemporaryFile() as out:
            process = start_process(command, self, out)
            try:
                status = process.wait(60)
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
            out.seek(0)
            output = out.read().decode(errors="replace").replace("\r\n", "\n")
        assert status == expect or (expect is None and status), output
        return output

    def start(self, *command: str, log: str = "log") -> "RunningProcess":
        return RunningProcess(command, self, self.folder / log)


class RunningProcess:
    """A long-running command and its child processes."""

    def __init__(self, command: tuple[str, ...], workspace: Workspace, log: Path) -> None:
        self.log = log
        self._log_offset = log.stat().st_size if log.exists() else 0
        with log.open("ab") as out:
            self._process = start_process(command, workspace, out)
        server_logs.register(self, self.log)
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", WATCHDOG_SCRIPT, "guard", str(self.pid)], stdin=subprocess.PIPE, start_new_session=True
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """The output since the start."""
        with self.log.open("rb") as log:
            log.seek(self._log_offset)
            return log.read(MAX_LOG_BYTES).decode(errors="replace")  # /dev/full never ends

    def children(self) -> list[int]:
        """Return the child processes that serve requests, not the one that hashes passwords."""
        pids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in pids if "hash_process" not in _read(Path(f"/proc/{pid}/cmdline"))]

    def open_socket_counts(self) -> dict[int, int]:
        """Return the number of open sockets by child process."""
        folders = {pid: Path(f"/proc/{pid}/fd") for pid in self.children()}
        return {
            pid: sum("socket:" in str(link.readlink()) for link in folder.iterdir()) for pid, folder in folders.items()
        }

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30) -> Self:
        deadline = time.monotonic() + seconds
        while True:
            status = self._process.poll()  # before the condition, which the last act of the process may make true
            if ready():
                return self
            assert status is None, f"exited with {status}:\n{self.output}"
            assert time.monotonic() < deadline, f"not ready in {seconds} seconds:\n{self.output}"
            time.sleep(0.02)

    def wait_for_output(self, text: str) -> Self:
        """Wait until the output contains the text."""
        return self.wait_until(lambda: text in self.output)

    def terminate(self, seconds: float = 10) -> int:
        """Send SIGTERM, as a service manager does; see `wait`."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = 10) -> int:
        """Wait for the exit and return the status. Assert that no child process survives it by 3 seconds."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        deadline = time.monotonic() + 3
        while (survivors := self._surviving_processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        status = self._process.poll()
        self.close()
        assert status is not None, f"no exit in {seconds} seconds, {survivors}:\n{self.output}"
        assert not survivors, f"{survivors} survived:\n{self.output}"
        return status

    def close(self) -> None:
        """Kill the process group. Only once: afterwards a different process may have the same id."""
        if self._watchdog.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        if self._watchdog.stdin:
            self._watchdog.stdin.close()
        self._watchdog.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _surviving_processes(self) -> list[str]:
        """Return the live processes of the group. Zombies stay until process 1 reaps them."""
        stats = [_read(stat) for stat in Path("/proc").glob("[0-9]*/stat")]
        fields = {stat: stat.rpartition(")")[2].split() for stat in stats if stat}
        return [
            stat for stat, (state, _parent, group, *_more) in fields.items() if group == str(self.pid) and state != "Z"
        ]


def start_process(
    command: tuple[str, ...], workspace: Workspace, out: IO[bytes]
) -> "subprocess.Popen[bytes] | ForkedProcess":
    """Start a command in a new session, with its output and errors in `out`."""
    if workspace.is_forked and can_run(command):
        return ForkedProcess(command, cwd=workspace.folder, env=workspace.environment, stdout=out)
    return subprocess.Popen(
        [str(BIN_FOLDER / command[0]), *command[1:]],
        cwd=workspace.folder,
        env=workspace.environment,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=out,
        start_new_session=True,
    )


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has exited
        return ""
