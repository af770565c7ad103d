"""python -m tests.fuzz.raw [SECONDS [SEED]]: bytes that are nearly HTTP, to `flaskauth serve` with two processes.

Ends by itself, and what it started ends with it. Says what came back, how often; 1 where something was found, with the
bytes, which then belong into tests/fuzz/kept/.
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

from tests.fuzz.judging import is_whole, judged
from tests.fuzz.noise import Case, case
from tests.journeys.processes import Place, Running
from tests.journeys.visitors import Visitor
from tests.servers import free_port

SECONDS = 300
SENDERS = 16
PATIENCE = 0.5  # seconds without a byte until an answer is taken to be over
AFTERWARDS = 0.05  # where all that came is whole
WITHIN = 10.0  # seconds in which a good request is answered meanwhile, on a busy machine
MOST_MEMORY = 400  # MiB of one process
MOST_READ = 1024 * 1024
SUSPECTS = 60
TORN = struct.pack("ii", 1, 0)


class Attack:
    """The cases one after the other, by several at once, and what came of them."""

    def __init__(self, port: int, seed: int) -> None:
        self.port, self.seed = port, seed
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.finds: list[str] = []
        self.last: deque[Case] = deque(maxlen=SUSPECTS)
        self._numbers = count()
        self._is_over = threading.Event()

    def send_until_over(self) -> None:
        while not self._is_over.is_set():
            sent = case(self.seed, next(self._numbers))
            self.last.append(sent)
            self.take(sent, exchange(self.port, sent))

    def take(self, sent: Case, received: bytes) -> None:
        called, complaint = judged(sent.sent, received)
        self.counts.update(called)
        self.kinds[sent.kind] += 1
        if complaint:
            self.finds.append(f"{sent.kind}, number {sent.number}: {complaint}\n  {sent.pieces!r}")

    @contextmanager
    def going_on(self) -> Iterator[None]:
        senders = [threading.Thread(target=self.send_until_over) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            yield
        finally:
            self._is_over.set()
            for sender in senders:
                sender.join()


class Watch:
    """The server meanwhile: its processes, their memory, whether it serves others, what it logs."""

    def __init__(self, server: Running, port: int, attack: Attack) -> None:
        self._server, self._port, self._attack = server, port, attack
        self._workers = server.children()
        self._logged = len(server.said)
        self.slowest, self.most = 0.0, 0
        self.lines = 0

    def look(self) -> None:
        if self._server.children() != self._workers:
            self._suspect(f"a process died: {self._workers} are now {self._server.children()}")
            self._workers = self._server.children()
        self.most = max([self.most, *map(memory, self._workers)])
        began = time.monotonic()
        if not self._serves():
            self._suspect("a good request was not answered")
        self.slowest = max(self.slowest, time.monotonic() - began)

    def read_log(self) -> None:
        """Every line since then is an event in JSON, and none tells of an accident."""
        for line in self._server.said[self._logged :].splitlines():
            self.lines += 1
            try:
                event = json.loads(line)
            except ValueError:
                self._attack.finds.append(f"no JSON in the log: {line!r}")
                continue
            if event.get("event") == "accident":
                self._attack.finds.append(f"an accident: {line}")
        if self.most > MOST_MEMORY:
            self._attack.finds.append(f"a process took {self.most} MiB")

    def _serves(self) -> bool:
        with closing(Visitor(self._port, "203.0.113.9")) as visitor, suppress(OSError, HTTPException):
            began = time.monotonic()
            return visitor.get("/health/live").status == 200 and time.monotonic() - began < WITHIN
        return False

    def _suspect(self, what: str) -> None:
        cases = "".join(f"\n  {sent.number} {sent.kind} {sent.pieces!r:.2000}" for sent in [*self._attack.last])
        self._attack.finds.append(f"{what}; sent last:{cases}")


def exchange(port: int, sent: Case) -> bytes:
    """What comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=WITHIN) as connection, suppress(OSError):
        connection.settimeout(PATIENCE)
        for piece in sent.pieces:
            connection.sendall(piece)
            time.sleep(sent.pause)
        if sent.is_torn:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, TORN)
            return b""
        return _received(connection)
    return b""


def _received(connection: socket.socket) -> bytes:
    received = b""
    with suppress(OSError):
        while len(received) < MOST_READ and (more := connection.recv(65536)):
            received += more
            connection.settimeout(AFTERWARDS if is_whole(received) else PATIENCE)
    return received


def memory(pid: int) -> int:
    """MiB of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Running, int]]:
    """The server of this folder, with two processes, once it answers and has said so."""
    port = free_port()
    place = Place(folder).having(TRUSTED_PROXIES="127.0.0.1", REQUEST_LIMITS="1000")
    words = ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "2")
    with place.start(*words) as server, closing(Visitor(port)) as visitor:
        server.wait_until(visitor.is_ready)
        server.wait_until(lambda: server.said.count("Try: curl") == 2)
        yield server, port


def main(seconds: int, seed: int) -> int:
    with TemporaryDirectory() as folder, serving(Path(folder)) as (server, port):
        attack = Attack(port, seed)
        watch = Watch(server, port, attack)
        end = time.monotonic() + seconds
        with attack.going_on():
            while time.monotonic() < end and len(attack.finds) < 20:
                watch.look()
                time.sleep(1)
        watch.look()
        watch.read_log()
    print(f"{attack.kinds.total()} requests, seed {seed}, {watch.lines} lines logged;")
    print(f"a process took {watch.most} MiB at most,")
    print(f"the slowest good request meanwhile took {watch.slowest:.2f} s")
    for counts in (attack.counts, attack.kinds):
        print("  " + ", ".join(f"{name}: {times}" for name, times in sorted(counts.items())))
    for find in attack.finds:
        print(f"\nFOUND {find}")
    return 1 if attack.finds else 0


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(given[0] if given else SECONDS, given[1] if given[1:] else SystemRandom().randrange(2**32)))
