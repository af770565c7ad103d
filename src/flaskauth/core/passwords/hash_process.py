"""A process that hashes passwords for all processes of a server, with one thread per processor.

It has a low priority and no other threads, so a burst of sign-ins delays no other request, and the memory of the hashes
is allocated once per machine. A request is one packet on a socket pair that all processes share: the name of a function
of `hashes` and its arguments, with a socket for the result. The kernel queues the packets.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

NICENESS = 5  # other requests get the processor first
IDLE_SECONDS = 2.0  # without a hash, then the memory is returned
RESTART_DELAY = 0.1  # seconds
RETRY_DELAY = 0.5  # seconds, if the process cannot be started
RESULT_TIMEOUT = 10.0  # seconds; the queue is bounded, so only a stopped process takes longer
MAX_PACKET = 16_384  # bytes; a password has at most 1,024, each of which JSON writes as up to 6
MAX_RESULT = 1024  # bytes
INHERITED = ("PYTHONPATH", "LD_LIBRARY_PATH")  # no secrets, no settings


class HashProcessLost(Exception):
    """The process was killed or stopped before it returned the result."""


class HashProcess:
    """The process, as its parent and the forks of the parent use it. The parent restarts it when it dies.

    It ends when all processes that can send requests have ended, however they ended.

    Args:
        log_error: called with the name and the fields of an event: the process was killed, or cannot be started.
    """

    def __init__(self, log_error: Callable[..., object]) -> None:
        self._sender, self._receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._log_error = log_error

    def start(self) -> None:
        """Start the process, and a thread that restarts it."""
        threading.Thread(target=self._keep_running, args=(self._spawn(),), name="hash-process", daemon=True).start()

    def detach(self) -> None:
        """Close the receiving socket in a fork of the parent, so that requests fail when no process is left."""
        self._receiver.close()

    def run(self, function: Callable[..., T], *args: str | None) -> T:
        """Call a function of `hashes` in the process and return its result.

        Raises:
            HashProcessLost: there is no result.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(RESULT_TIMEOUT)
            request = json.dumps((function.__name__, *args)).encode()
            try:
                socket.send_fds(self._sender, [request], [theirs.fileno()], socket.MSG_DONTWAIT)
                theirs.close()
                reply = ours.recv(MAX_RESULT)
            except OSError:
                raise HashProcessLost from None
        if not reply:
            raise HashProcessLost
        result: T = json.loads(reply)
        return result

    def _spawn(self) -> "subprocess.Popen[bytes]":
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment = {"MALLOC_ARENA_MAX": "1", **inherited}  # malloc_trim returns the memory of the first arena only
        command = [sys.executable, "-P", "-m", __name__]
        return subprocess.Popen(command, stdin=self._receiver.fileno(), stdout=subprocess.DEVNULL, env=environment)  # noqa: S603

    def _keep_running(self, process: "subprocess.Popen[bytes]") -> None:
        while status := process.wait():  # 0: there are no senders
            self._log_error("hash_process_restarted", status=status)
            time.sleep(RESTART_DELAY)
            process = self._respawn()

    def _respawn(self) -> "subprocess.Popen[bytes]":
        """Start the process again. Retry while the system has no memory, process or file descriptor for it."""
        while True:
            try:
                return self._spawn()
            except OSError as error:
                self._log_error("hash_process_not_started", exception=type(error).__name__, errno=error.errno)
                time.sleep(RETRY_DELAY)


class _Worker:
    """The threads of the process."""

    def __init__(self, requests: socket.socket) -> None:
        from flaskauth.core.passwords import hashes  # noqa: PLC0415 (not for the processes that only send requests)

        self._requests = requests
        functions = (hashes.hash_password, hashes.verify, hashes.hash_recovery_codes)
        self._functions = {function.__name__: function for function in functions}
        self._completed = 0

    def run(self) -> None:
        """Serve requests until all senders have closed the socket. Return memory to the system while idle."""
        for _ in range(os.cpu_count() or 1):
            threading.Thread(target=self._serve, daemon=True).start()
        returned = 0
        while True:
            completed = self._completed
            time.sleep(IDLE_SECONDS)
            if returned != completed == self._completed:
                _return_memory()
                returned = completed

    def _serve(self) -> None:
        while True:
            request, descriptors, _flags, _address = socket.recv_fds(self._requests, MAX_PACKET, 1)
            if not request:
                os._exit(0)
            with socket.socket(fileno=descriptors[0]) as reply:
                try:
                    name, *args = json.loads(request)
                    reply.sendall(json.dumps(self._functions[name](*args)).encode())
                except Exception as error:  # noqa: BLE001 (the sender gets no result; the text could contain the password)
                    print(json.dumps({"event": "hash_failed", "exception": type(error).__name__}), file=sys.stderr)
            self._completed += 1


def _return_memory() -> None:
    """Return the freed memory of all threads to the system. Only glibc keeps it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def main() -> None:
    """Serve the requests of the socket that is the standard input."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group; the servers still need this process
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    _Worker(socket.socket(fileno=os.dup(sys.stdin.fileno()))).run()


if __name__ == "__main__":
    main()
