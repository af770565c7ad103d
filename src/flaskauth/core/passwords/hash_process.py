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
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

NICENESS = 5  # other requests get the processor first
IDLE_SECONDS = 2.0  # without a hash, then the memory is returned
RESTART_DELAY = 0.1  # seconds; doubled at each start, because the process may die at its start
MAX_RESTART_DELAY = 5.0  # seconds
STABLE_SECONDS = 60.0  # a process that lived longer is restarted with the first delay
RESULT_TIMEOUT = 10.0  # seconds; the queue is bounded, so only a stopped process takes longer
MAX_PACKET = 16_384  # bytes; a password has at most 1,024, each of which JSON writes as up to 6
MAX_RESULT = 1024  # bytes
INHERITED = ("PYTHONPATH", "LD_LIBRARY_PATH")  # no secrets, no settings


class HashProcessLost(Exception):
    """The process was killed or stopped before it returned the result."""


class HashProcess:
    """The process, as its parent and the forks of the parent use it. The parent restarts it when it dies or hangs.

    It ends when all processes that can send requests have ended, however they ended.

    Args:
        log_error: called with the name and the fields of an event: the process died or hangs, or cannot be started.
    """

    def __init__(self, log_error: Callable[..., object]) -> None:
        self._sender, self._receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._timeout_sender, self._timeout_receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._log_error = log_error
        self.result_timeout = RESULT_TIMEOUT

    def start(self) -> None:
        """Start the process, a thread that restarts it, and a thread that kills it if it hangs."""
        self._spawn()
        for target in (self._keep_running, self._kill_if_hanging):
            threading.Thread(target=target, name="hash-process", daemon=True).start()

    def detach(self) -> None:
        """Close the receiving socket in a fork of the parent, so that requests fail when no process is left."""
        self._receiver.close()

    def run(self, function: Callable[..., T], *args: str | None) -> T:
        """Call a function of `hashes` in the process and return its result.

        Raises:
            HashProcessLost: there is no result.
        """
        sent_at = time.monotonic()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(self.result_timeout)
            request = json.dumps((function.__name__, *args)).encode()
            try:
                socket.send_fds(self._sender, [request], [theirs.fileno()], socket.MSG_DONTWAIT)
                theirs.close()
                reply = ours.recv(MAX_RESULT)
            except TimeoutError:
                self._report_timeout(sent_at)
                raise HashProcessLost from None
            except OSError:
                raise HashProcessLost from None
        if not reply:
            raise HashProcessLost
        result: T = json.loads(reply)
        return result

    def _report_timeout(self, sent_at: float) -> None:
        """Let the parent kill the process. The clock is the same for all processes."""
        with suppress(OSError):  # the parent has ended, or has many reports to read
            self._timeout_sender.send(struct.pack("d", sent_at), socket.MSG_DONTWAIT)

    def _spawn(self) -> None:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment = {"MALLOC_ARENA_MAX": "1", **inherited}  # malloc_trim returns the memory of the first arena only
        command = [sys.executable, "-P", "-m", __name__]
        stdin = self._receiver.fileno()
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603

    def _keep_running(self) -> None:
        delay = RESTART_DELAY
        while status := self._process.wait():  # 0: there are no senders
            if time.monotonic() - self._started_at > STABLE_SECONDS:
                delay = RESTART_DELAY
            self._log_error("hash_process_restarted", status=status, delay=delay)
            delay = self._respawn(delay)
        self._timeout_receiver.shutdown(socket.SHUT_RDWR)  # ends the other thread

    def _respawn(self, delay: float) -> float:
        """Start the process again after a delay in seconds, and return the next delay.

        Retry while the system has no memory, process or file descriptor for it.
        """
        while True:
            time.sleep(delay)
            delay = min(2 * delay, MAX_RESTART_DELAY)
            try:
                self._spawn()
            except OSError as error:
                self._log_error("hash_process_not_started", exception=type(error).__name__, errno=error.errno)
            else:
                return delay

    def _kill_if_hanging(self) -> None:
        """Kill a process that returned no result to a request, for example because it is stopped.

        A request that was sent before the start of the process waited for the previous one.
        """
        while report := self._timeout_receiver.recv(8):
            if struct.unpack("d", report)[0] > self._started_at and self._process.poll() is None:
                self._log_error("hash_process_hangs")
                self._process.kill()
                self._process.wait()  # further reports are about the same process


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
