"""Send malformed HTTP to `flaskauth serve` with two processes: `python -m tests.fuzz.raw_http [SECONDS [SEED]]`.

Prints how often each kind of response occurred. Exits with 1 and prints the bytes if a check fails; add these bytes to
tests/fuzz/regressions/.
"""

import json
import socket
import struct
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException
from itertools import count
from pathlib import Path
from random import SystemRandom
from tempfile import TemporaryDirectory

from tests.e2e.http_client import HttpClient
from tests.e2e.processes import RunningProcess, Workspace
from tests.fuzz.mutations import Case, make_case
from tests.fuzz.response_checks import check_responses, is_whole
from tests.servers import free_port

SECONDS = 300
SENDERS = 16
RECEIVE_TIMEOUT = 0.5  # seconds without data after which a response is complete
IDLE_TIMEOUT = 0.05  # if everything received so far is complete
MAX_RESPONSE_SECONDS = 10.0  # seconds for a valid request meanwhile, on a busy machine
MAX_MEMORY = 400  # MiB per process
MAX_READ = 1024 * 1024
REPORTED_CASES = 60
RESET_LINGER = struct.pack("ii", 1, 0)


class RawFuzzer:
    """Sends the cases from several threads and collects the findings."""

    def __init__(self, port: int, seed: int) -> None:
        self.port, self.seed = port, seed
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.findings: list[str] = []
        self.last_cases: deque[Case] = deque(maxlen=REPORTED_CASES)
        self._numbers = count()
        self._is_stopped = threading.Event()

    def send_until_stopped(self) -> None:
        while not self._is_stopped.is_set():
            case = make_case(self.seed, next(self._numbers))
            self.last_cases.append(case)
            self.record(case, exchange(self.port, case))

    def record(self, case: Case, received: bytes) -> None:
        labels, failure = check_responses(case.data, received)
        self.counts.update(labels)
        self.kinds[case.kind] += 1
        if failure:
            self.findings.append(f"{case.kind}, number {case.number}: {failure}\n  {case.chunks!r}")

    @contextmanager
    def running(self) -> Iterator[None]:
        senders = [threading.Thread(target=self.send_until_stopped) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            yield
        finally:
            self._is_stopped.set()
            for sender in senders:
                sender.join()


class ServerMonitor:
    """Watches the server: its processes, their memory, its availability and its log."""

    def __init__(self, server: RunningProcess, port: int, fuzzer: RawFuzzer) -> None:
        self._server, self._port, self._fuzzer = server, port, fuzzer
        self._workers = server.children()
        self._logged = len(server.output)
        self.slowest, self.max_memory = 0.0, 0
        self.log_lines = 0

    def check(self) -> None:
        if self._server.children() != self._workers:
            self._report(f"a process exited: {self._workers}, now {self._server.children()}")
            self._workers = self._server.children()
        self.max_memory = max([self.max_memory, *map(memory_of, self._workers)])
        started_at = time.monotonic()
        if not self._is_serving():
            self._report("a valid request got no response")
        self.slowest = max(self.slowest, time.monotonic() - started_at)

    def check_log(self) -> None:
        """Check that every new log line is a JSON event and none is an unhandled exception."""
        for line in self._server.output[self._logged :].splitlines():
            self.log_lines += 1
            try:
                event = json.loads(line)
            except ValueError:
                self._fuzzer.findings.append(f"log line is not JSON: {line!r}")
                continue
            if event.get("event") == "unhandled_exception":
                self._fuzzer.findings.append(f"unhandled exception: {line}")
        if self.max_memory > MAX_MEMORY:
            self._fuzzer.findings.append(f"a process used {self.max_memory} MiB")

    def _is_serving(self) -> bool:
        with closing(HttpClient(self._port, "203.0.113.9")) as http_client, suppress(OSError, HTTPException):
            started_at = time.monotonic()
            return (
                http_client.get("/health/live").status == 200 and time.monotonic() - started_at < MAX_RESPONSE_SECONDS
            )
        return False

    def _report(self, problem: str) -> None:
        cases = "".join(f"\n  {case.number} {case.kind} {case.chunks!r:.2000}" for case in [*self._fuzzer.last_cases])
        self._fuzzer.findings.append(f"{problem}; last requests:{cases}")


def exchange(port: int, case: Case) -> bytes:
    """Send a case and return the response."""
    with socket.create_connection(("127.0.0.1", port), timeout=MAX_RESPONSE_SECONDS) as connection, suppress(OSError):
        connection.settimeout(RECEIVE_TIMEOUT)
        for chunk in case.chunks:
            connection.sendall(chunk)
            time.sleep(case.pause)
        if case.is_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_LINGER)
            return b""
        return _received(connection)
    return b""


def _received(connection: socket.socket) -> bytes:
    received = b""
    with suppress(OSError):
        while len(received) < MAX_READ and (data := connection.recv(65536)):
            received += data
            connection.settimeout(IDLE_TIMEOUT if is_whole(received) else RECEIVE_TIMEOUT)
    return received


def memory_of(pid: int) -> int:
    """Return the memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


@contextmanager
def run_server(folder: Path) -> Iterator[tuple[RunningProcess, int]]:
    """Start a server with two processes in the folder and wait until it is ready."""
    port = free_port()
    workspace = Workspace(folder).with_settings(TRUSTED_PROXIES="127.0.0.1", RATE_LIMIT_FACTOR="1000")
    command = ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "2")
    with workspace.start(*command) as server, closing(HttpClient(port)) as http_client:
        server.wait_until(http_client.is_ready)
        server.wait_until(lambda: server.output.count(" is running at ") == 2)
        yield server, port


def main(seconds: int, seed: int) -> int:
    with TemporaryDirectory() as folder, run_server(Path(folder)) as (server, port):
        fuzzer = RawFuzzer(port, seed)
        monitor = ServerMonitor(server, port, fuzzer)
        end = time.monotonic() + seconds
        with fuzzer.running():
            while time.monotonic() < end and len(fuzzer.findings) < 20:
                monitor.check()
                time.sleep(1)
        monitor.check()
        monitor.check_log()
    print(f"{fuzzer.kinds.total()} requests, seed {seed}, {monitor.log_lines} lines logged;")
    print(f"peak memory of a process: {monitor.max_memory} MiB;")
    print(f"slowest valid request: {monitor.slowest:.2f} s")
    for counts in (fuzzer.counts, fuzzer.kinds):
        print("  " + ", ".join(f"{name}: {number}" for name, number in sorted(counts.items())))
    for finding in fuzzer.findings:
        print(f"\nFAILURE: {finding}")
    return 1 if fuzzer.findings else 0


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    sys.exit(
        main(arguments[0] if arguments else SECONDS, arguments[1] if arguments[1:] else SystemRandom().randrange(2**32))
    )
