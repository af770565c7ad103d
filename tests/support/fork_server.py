"""Run the documented commands in forks of one process that has imported their libraries.

A `flaskauth` command spends most of its time on imports. The fork server imports them once for each pytest worker and
forks a child for each command, so that a test that runs many commands does not wait for the imports of each. The child
gets the arguments, environment, working directory and standard streams that a new process would get.

The children hash passwords with cheap parameters, as the tests do. The tests in `tests/e2e/test_real_commands.py` run
the installed scripts instead.
"""

import atexit
import importlib
import json
import os
import random
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, NoReturn, TypedDict

ROOT = Path(__file__).parents[2]
COMMANDS = ("flaskauth", "celery", "alembic", "flask")
PRELOADED = (
    *(
        "flaskauth.cli",
        "flaskauth.cli.main",
        "flaskauth.doctor.report",
        "flaskauth.doctor.runner",
        "flaskauth.migrations",
    ),
    *("alembic.command", "rich.progress", "pymysql", "redis", "granian.server", "aiosmtpd.smtp"),
    *("celery.bin.celery", "celery.bin.worker", "celery.apps.worker", "celery.apps.beat", "kombu.transport.redis"),
    *("celery.concurrency.prefork", "celery.worker.worker", "celery.worker.consumer"),
    # Imported by the server when it creates an application or uses it for the first time. Not prometheus_client: it
    # decides at its import whether it adds up the metrics of several processes.
    *("flaskauth.server.run", "flaskauth.migrations.idempotent", "flaskauth.migrations.steps", "alembic.config"),
    *("apiflask.settings", "asgiref.sync", "obstore.store", "zxcvbn", "encodings.idna"),
)


SCRIPT = """#!{python} -SEs
import json, os, signal, socket, sys

link = socket.socket(socket.AF_UNIX)
link.connect("\\0{address}")
request = json.dumps(dict(argv=["{name}", *sys.argv[1:]], cwd=os.getcwd(), env=dict(os.environ))).encode()
socket.send_fds(link, [len(request).to_bytes(4, "big")], [0, 1, 2])
link.sendall(request)
lines = link.makefile()
pid = int(lines.readline())
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, _frame: os.kill(pid, number))
status = int(lines.readline() or 1)
sys.exit(status if status >= 0 else 128 - status)
"""


class Request(TypedDict):
    """A command, with its working directory and environment."""

    argv: list[str]
    cwd: str
    env: dict[str, str]


class ForkedProcess:
    """The part of `subprocess.Popen` that the tests use, for a child of the fork server."""

    def __init__(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdout: IO[bytes] | int) -> None:
        self.args = command
        self.returncode: int | None = None
        self._link = socket.socket(socket.AF_UNIX)
        self._link.connect(_server())
        request = json.dumps({"argv": list(command), "cwd": str(cwd), "env": dict(env)}).encode()
        null, out = os.open(os.devnull, os.O_RDONLY), stdout if isinstance(stdout, int) else stdout.fileno()
        socket.send_fds(self._link, [len(request).to_bytes(4, "big")], [null, out, out])
        os.close(null)
        self._link.sendall(request)
        # One reader for both lines: the first read may get the exit status of a short command too.
        self._lines = self._link.makefile("r")
        self.pid = int(self._lines.readline())

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        if self.returncode is None and select.select([self._link], [], [], 0)[0]:
            self._finish()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the process to end and return its exit status.

        Raises:
            subprocess.TimeoutExpired: it did not end in `timeout` seconds.
        """
        if self.returncode is None:
            if not select.select([self._link], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
            self._finish()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _finish(self) -> None:
        line = self._lines.readline()
        self.returncode = int(line) if line else -signal.SIGKILL  # the fork server itself was killed
        self._lines.close()
        self._link.close()


def can_run(command: Sequence[str]) -> bool:
    """Return True if the fork server knows the command: `flaskauth serve`, `python -m module`."""
    return command[0] in COMMANDS or command[:2] == ("python", "-m")


@cache
def script_folder() -> Path:
    """Return a folder with scripts of the commands, which run them in the fork server, for the PATH of a shell."""
    folder = Path(tempfile.mkdtemp(prefix="commands-"))
    atexit.register(shutil.rmtree, folder)
    for name in COMMANDS:
        script = folder / name
        script.write_text(SCRIPT.format(python=sys.executable, name=name, address=_server()[1:]))
        script.chmod(0o755)
    return folder


@cache
def _server() -> str:
    """Start the fork server of this pytest worker and return the address of its socket."""
    address = f"\0flaskauth-tests-{os.getpid()}-{os.urandom(8).hex()}"
    # The pipe on its standard input closes when the tests end in whatever way; then it ends too.
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fork_server", address[1:]],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    atexit.register(process.wait)
    atexit.register(process.kill)
    return address


class _ForkServer:
    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(64)
        self._children: dict[int, socket.socket] = {}

    def run(self) -> NoReturn:
        wakeup, on_signal = os.pipe()
        os.set_blocking(on_signal, False)
        signal.set_wakeup_fd(on_signal, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            links = {link: pid for pid, link in self._children.items()}
            ready, _, _ = select.select([self._listener, wakeup, sys.stdin, *links], [], [])
            if sys.stdin in ready:
                os._exit(0)
            if wakeup in ready:
                os.read(wakeup, 4096)
            for link in links.keys() & set(ready):
                _kill_session(links[link])  # the client is gone: it was killed, or does not need the process any more
            self._reap()
            if self._listener in ready:
                self._accept()

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            link = self._children.pop(pid, None)
            if link:
                with suppress(OSError):
                    link.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                link.close()

    def _accept(self) -> None:
        link, _ = self._listener.accept()
        size, descriptors, _, _ = socket.recv_fds(link, 4, 3)
        data = b""
        length = int.from_bytes(size, "big")
        while len(data) < length:
            data += link.recv(length - len(data))
        pid = os.fork()
        if pid == 0:
            self._become(json.loads(data), descriptors, link)
        for descriptor in descriptors:
            os.close(descriptor)
        self._children[pid] = link
        with suppress(OSError):
            link.sendall(f"{pid}\n".encode())

    def _become(self, request: Request, streams: Sequence[int], link: socket.socket) -> NoReturn:
        """Run the command in this forked child."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            self._listener.close()
            for other in (link, *self._children.values()):
                other.close()
            for target, source in enumerate(streams):
                os.dup2(source, target)
            os.closerange(3, 256)
            sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, 1) for n, mode in enumerate("rww"))
            os.chdir(request["cwd"])
            os.environ.clear()
            os.environ.update(request["env"])
            time.tzset()
            random.seed()
            name, *arguments = request["argv"]
            sys.argv = [str(Path(sys.executable).with_name(name)), *arguments]
            main = sys.modules["__main__"]
            main.__package__, main.__spec__, main.__file__ = None, None, sys.argv[0]
            status = _call(name)
        except BaseException:  # noqa: BLE001 (what a new interpreter would print)
            sys.excepthook(*sys.exc_info())
        finally:
            threading._shutdown()  # type: ignore[attr-defined] # waits for threads, as an interpreter does
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            atexit._run_exitfuncs()
            os._exit(status)


def _call(name: str) -> int:
    """Run a module or the entry point of an installed script, and return its exit status."""
    try:
        result = _run_module() if name == "python" else _run_script(name)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return int(end.code or 0)
    return result if isinstance(result, int) else 0


def _run_module() -> int:
    """Run `python -m module arguments`."""
    sys.path.insert(0, str(Path.cwd()))
    module = sys.argv[2]
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def _run_script(name: str) -> object:
    [script] = entry_points(group="console_scripts", name=name)
    return script.load()()


def _kill_session(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _preload() -> None:
    for name in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    from tests.support import shortcuts

    sys.path[:] = [entry for entry in sys.path if entry not in ("", str(ROOT))]
    _preload()
    with shortcuts.use_hasher(shortcuts.CHEAP):
        server = _ForkServer(f"\0{sys.argv[1]}")
        print("ready", flush=True)
        server.run()
