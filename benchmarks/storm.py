"""python -m benchmarks.storm [--strict]: 200 people sign in at the same moment; what do others wait, and what do they?

Bursts of 200 sign-ins with right passwords, each of another person from another network and on a connection of its own,
while others ask for /health/live and /users/profile all the time. The bar: of those others 99 in 100 wait less than
100 ms, and each sign-in is answered, or sent away with 503 and `Retry-After`, within 1 s. With --strict a miss ends
with 1.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event

from tests.journeys.visitors import NETWORKS

from benchmarks.grounds import PASSWORD, grounds

AT_ONCE = 200
BURSTS = 8
FEW, WARM_UP = 8, 8  # sign-ins at once, and how often, before anything is measured
CALM = 1.5  # seconds between bursts; they are what Retry-After says, and a little more
BETWEEN = 0.01  # seconds between two calls of one who asks all the time
POLLERS = 2  # for each call
MOST_WAIT, LONGEST_SIGN_IN = 0.1, 1.0  # seconds: the bar
ROW = "{:<24} {:>7} {:>9} {:>9} {:>9}"


@dataclass(frozen=True)
class Answer:
    """What came back, and after how many seconds."""

    status: int
    head: str
    took: float

    @property
    def is_shed(self) -> bool:
        return self.status == 503 and "retry-after:" in self.head


@dataclass
class Connection:
    """One that is kept; no more than what HTTP needs, so that little is taken from the server."""

    port: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def opened(cls, port: int) -> "Connection":
        return cls(port, *await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> Answer:
        begun = time.perf_counter()
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        await self.reader.readexactly(length)
        return Answer(int(head.split()[1]), head, time.perf_counter() - begun)

    def close(self) -> None:
        self.writer.close()


@dataclass(frozen=True)
class Call:
    """One of those who ask all the time: what for, when, what came back."""

    path: str
    began: float
    answer: Answer


@dataclass
class Weather:
    """What came of a storm, and of the calm around it."""

    sign_ins: list[Answer] = field(default_factory=list)
    bursts: list[tuple[float, float]] = field(default_factory=list)
    others: list[Call] = field(default_factory=list)

    def waits(self) -> dict[str, list[float]]:
        """The seconds of the others' calls, those in a storm apart from those in the calm."""
        found: dict[str, list[float]] = {}
        for call in self.others:
            ended = call.began + call.answer.took
            in_storm = any(call.began < end and ended > begin for begin, end in self.bursts)
            found.setdefault(call.path if in_storm else f"{call.path}, calm", []).append(call.answer.took)
        return {name: sorted(found[name]) for name in sorted(found)}


def request(method: str, path: str, body: object = None, **headers: str) -> bytes:
    sent = b"" if body is None else json.dumps(body).encode()
    told = {"Host": "127.0.0.1", **({"Content-Type": "application/json"} if sent else {}), **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(sent)}", "", ""]).encode() + sent


def sign_in(email: str) -> bytes:
    return request("POST", "/auth/login", {"email": email, "password": PASSWORD}, X_Forwarded_For=next(NETWORKS))


async def poll(port: int, path: str, headers: dict[str, str], stopped: Event) -> list[Call]:
    """Ask again and again, until told to stop."""
    connection, asked, calls = await Connection.opened(port), request("GET", path, **headers), []
    while not stopped.is_set():
        began = time.monotonic()
        calls.append(Call(path, began, await connection.ask(asked)))
        await asyncio.sleep(BETWEEN)
    connection.close()
    return calls


def watch(port: int, token: str, stopped: Event, told: Pipe) -> None:
    """In a process of its own, so that nothing but the server makes the others wait."""
    kinds: dict[str, dict[str, str]] = {"/health/live": {}, "/users/profile": {"Authorization": f"Bearer {token}"}}

    async def all_of_them() -> list[list[Call]]:
        return await asyncio.gather(*(poll(port, path, kinds[path], stopped) for path in [*kinds] * POLLERS))

    told.send([call for calls in asyncio.run(all_of_them()) for call in calls])


async def burst(port: int, emails: Sequence[str]) -> list[Answer]:
    """All of them sign in at once, on connections that are open already."""
    connections = [await Connection.opened(port) for _ in emails]
    asked = [sign_in(email) for email in emails]
    answers = await asyncio.gather(*(one.ask(what) for one, what in zip(connections, asked, strict=True)))
    for one in connections:
        one.close()
    return list(answers)


async def storm(port: int, emails: Sequence[str]) -> Weather:
    """A few sign-ins until the server is warm, then all those bursts."""
    weather, left = Weather(), iter(emails)
    for _ in range(WARM_UP):
        await burst(port, list(islice(left, FEW)))
    for _ in range(BURSTS):
        await asyncio.sleep(CALM)
        begun = time.monotonic()
        weather.sign_ins += await burst(port, list(islice(left, AT_ONCE)))
        weather.bursts.append((begun, time.monotonic()))
    return weather


def measure(port: int, token: str, emails: Sequence[str]) -> Weather:
    """The storm, and what others wait meanwhile."""
    spawn = get_context("spawn")
    stopped, (ours, theirs) = spawn.Event(), spawn.Pipe()
    watcher = spawn.Process(target=watch, args=(port, token, stopped, theirs))
    watcher.start()
    try:
        weather = asyncio.run(storm(port, emails))
        stopped.set()
        weather.others = ours.recv()
    finally:
        watcher.terminate()
        watcher.join()
    return weather


def tell(weather: Weather) -> bool:
    """Print the table; whether the bar is kept."""
    print(ROW.format("ms", "calls", "p50", "p99", "longest"))
    took = weather.waits()
    took["/auth/login, answered"] = sorted(answer.took for answer in weather.sign_ins if not answer.is_shed)
    took["/auth/login, shed"] = sorted(answer.took for answer in weather.sign_ins if answer.is_shed)
    longest = max(answer.took for answer in weather.sign_ins)
    for name, times in ((name, times) for name, times in took.items() if times):
        told = [f"{1000 * quantile(times, share):.1f}" for share in (0.5, 0.99, 1)]
        print(ROW.format(name, len(times), *told))
    kinds = Counter("shed" if answer.is_shed else str(answer.status) for answer in weather.sign_ins)
    print(f"sign-ins: {kinds['200']} answered, {kinds['shed']} shed with 503 and Retry-After, of {AT_ONCE} at once")
    other = {name: count for name, count in kinds.items() if name not in {"200", "shed"}}
    waits = {name: quantile(times, 0.99) for name, times in took.items() if name in {"/health/live", "/users/profile"}}
    missed = [f"{name} p99 {1000 * wait:.0f} ms" for name, wait in waits.items() if wait >= MOST_WAIT]
    missed += [f"{count} sign-ins were {name}" for name, count in other.items()]
    failed = Counter(
        f"{call.path} answered {call.answer.status}" for call in weather.others if call.answer.status != 200
    )
    missed += [f"{name} {count} times" for name, count in failed.items()]
    if longest >= LONGEST_SIGN_IN:
        missed.append(f"a sign-in of {1000 * longest:.0f} ms")
    print(f"MISSED: {'; '.join(missed)}" if missed else "the bar is kept")
    return not missed


def quantile(times: Sequence[float], share: float) -> float:
    """Of sorted times, the one that this share of them does not exceed."""
    return times[min(len(times) - 1, int(share * len(times)))]


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storm")
    parser.add_argument("--strict", action="store_true", help="end with 1 where the bar is missed")
    strict = parser.parse_args(words).strict
    emails = [f"person{number}@example.com" for number in range(AT_ONCE * BURSTS + FEW * WARM_UP + 1)]
    with grounds() as where:
        where.add_people(emails)
        token = where.sign_in(emails.pop())["token"]
        is_kept = tell(measure(where.port, token, emails))
    return 1 if strict and not is_kept else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
