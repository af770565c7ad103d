"""python -m benchmarks.burst [--strict]: 200 users log in at the same moment; measure their latency and that of others.

Bursts of 200 logins with correct passwords, each of a different user, network and connection, while pollers request
/health/live and /users/profile continuously. Targets: the p99 of the pollers stays below 100 ms, and each login gets a
response, or a 503 with `Retry-After`, within 1 s. With --strict, a missed target exits with 1.
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

from tests.e2e.http_client import CLIENT_IPS

from benchmarks.environment import PASSWORD, running_server

BURST_SIZE = 200
BURST_COUNT = 8
WARM_UP_SIZE, WARM_UP_BURSTS = 8, 8  # concurrent logins and repetitions before the measurement
BURST_PAUSE = 1.5  # seconds between bursts; a little more than Retry-After
POLL_INTERVAL = 0.01  # seconds between two requests of a poller
POLLERS = 2  # per path
MAX_P99_SECONDS, MAX_LOGIN_SECONDS = 0.1, 1.0  # the targets, in seconds
ROW = "{:<24} {:>7} {:>9} {:>9} {:>9}"


@dataclass(frozen=True)
class Response:
    """The status and headers of a response, and its latency in seconds."""

    status: int
    headers: str
    seconds: float

    @property
    def is_shed(self) -> bool:
        return self.status == 503 and "retry-after:" in self.headers


@dataclass
class Connection:
    """A minimal keep-alive HTTP connection, which leaves the CPU to the server."""

    port: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int) -> "Connection":
        return cls(port, *await asyncio.open_connection("127.0.0.1", port))

    async def send(self, request: bytes) -> Response:
        started = time.perf_counter()
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        await self.reader.readexactly(length)
        return Response(int(head.split()[1]), head, time.perf_counter() - started)

    def close(self) -> None:
        self.writer.close()


@dataclass(frozen=True)
class PolledCall:
    """One request of a poller: path, start time and response."""

    path: str
    started_at: float
    response: Response


@dataclass
class BurstResult:
    """The responses to all logins, the start and end of each burst, and the requests of the pollers."""

    logins: list[Response] = field(default_factory=list)
    bursts: list[tuple[float, float]] = field(default_factory=list)
    polled_calls: list[PolledCall] = field(default_factory=list)

    def latencies(self) -> dict[str, list[float]]:
        """Return the sorted latencies of the pollers, with requests during a burst apart from the others."""
        latencies: dict[str, list[float]] = {}
        for call in self.polled_calls:
            ended_at = call.started_at + call.response.seconds
            in_burst = any(call.started_at < end and ended_at > start for start, end in self.bursts)
            name = call.path if in_burst else f"{call.path}, idle"
            latencies.setdefault(name, []).append(call.response.seconds)
        return {name: sorted(latencies[name]) for name in sorted(latencies)}


def build_request(method: str, path: str, body: object = None, **headers: str) -> bytes:
    payload = b"" if body is None else json.dumps(body).encode()
    all_headers = {"Host": "127.0.0.1", **({"Content-Type": "application/json"} if payload else {}), **headers}
    lines = [
        f"{method} {path} HTTP/1.1",
        *(f"{name.replace('_', '-')}: {value}" for name, value in all_headers.items()),
    ]
    return "\r\n".join([*lines, f"Content-Length: {len(payload)}", "", ""]).encode() + payload


def login_request(email: str) -> bytes:
    return build_request(
        "POST", "/auth/login", {"email": email, "password": PASSWORD}, X_Forwarded_For=next(CLIENT_IPS)
    )


async def poll(port: int, path: str, headers: dict[str, str], stopped: Event) -> list[PolledCall]:
    """Send the request repeatedly until stopped."""
    connection, request, calls = await Connection.open(port), build_request("GET", path, **headers), []
    while not stopped.is_set():
        started = time.monotonic()
        calls.append(PolledCall(path, started, await connection.send(request)))
        await asyncio.sleep(POLL_INTERVAL)
    connection.close()
    return calls


def poll_in_process(port: int, token: str, stopped: Event, pipe: Pipe) -> None:
    """Run the pollers in their own process, so that only the server can delay them."""
    headers_by_path: dict[str, dict[str, str]] = {
        "/health/live": {},
        "/users/profile": {"Authorization": f"Bearer {token}"},
    }

    async def poll_all() -> list[list[PolledCall]]:
        return await asyncio.gather(
            *(poll(port, path, headers_by_path[path], stopped) for path in [*headers_by_path] * POLLERS)
        )

    pipe.send([call for calls in asyncio.run(poll_all()) for call in calls])


async def send_burst(port: int, emails: Sequence[str]) -> list[Response]:
    """Log in with all email addresses concurrently, on connections that are already open."""
    connections = [await Connection.open(port) for _ in emails]
    requests = [login_request(email) for email in emails]
    responses = await asyncio.gather(
        *(connection.send(request) for connection, request in zip(connections, requests, strict=True))
    )
    for connection in connections:
        connection.close()
    return list(responses)


async def run_bursts(port: int, emails: Sequence[str]) -> BurstResult:
    """Warm the server up with small bursts, then run all measured bursts."""
    result, remaining = BurstResult(), iter(emails)
    for _ in range(WARM_UP_BURSTS):
        await send_burst(port, list(islice(remaining, WARM_UP_SIZE)))
    for _ in range(BURST_COUNT):
        await asyncio.sleep(BURST_PAUSE)
        started = time.monotonic()
        result.logins += await send_burst(port, list(islice(remaining, BURST_SIZE)))
        result.bursts.append((started, time.monotonic()))
    return result


def measure(port: int, token: str, emails: Sequence[str]) -> BurstResult:
    """Run the bursts while the pollers measure the latency of other requests."""
    spawn = get_context("spawn")
    stopped, (parent_pipe, child_pipe) = spawn.Event(), spawn.Pipe()
    poller = spawn.Process(target=poll_in_process, args=(port, token, stopped, child_pipe))
    poller.start()
    try:
        result = asyncio.run(run_bursts(port, emails))
        stopped.set()
        result.polled_calls = parent_pipe.recv()
    finally:
        poller.terminate()
        poller.join()
    return result


def print_report(result: BurstResult) -> bool:
    """Print the table and return True if all targets are met."""
    print(ROW.format("ms", "calls", "p50", "p99", "max"))
    latencies = result.latencies()
    latencies["/auth/login, served"] = sorted(response.seconds for response in result.logins if not response.is_shed)
    latencies["/auth/login, shed"] = sorted(response.seconds for response in result.logins if response.is_shed)
    max_seconds = max(response.seconds for response in result.logins)
    for name, times in ((name, times) for name, times in latencies.items() if times):
        cells = [f"{1000 * quantile(times, share):.1f}" for share in (0.5, 0.99, 1)]
        print(ROW.format(name, len(times), *cells))
    outcomes = Counter("shed" if response.is_shed else str(response.status) for response in result.logins)
    print(
        f"logins in bursts of {BURST_SIZE}: {outcomes['200']} succeeded,"
        f" {outcomes['shed']} rejected with 503 and Retry-After"
    )
    unexpected = {name: count for name, count in outcomes.items() if name not in {"200", "shed"}}
    p99_seconds = {
        name: quantile(times, 0.99) for name, times in latencies.items() if name in {"/health/live", "/users/profile"}
    }
    misses = [
        f"{name} p99 {1000 * seconds:.0f} ms" for name, seconds in p99_seconds.items() if seconds >= MAX_P99_SECONDS
    ]
    misses += [f"{count} logins returned {name}" for name, count in unexpected.items()]
    failed_calls = Counter(
        f"{call.path} returned {call.response.status}" for call in result.polled_calls if call.response.status != 200
    )
    misses += [f"{name} {count} times" for name, count in failed_calls.items()]
    if max_seconds >= MAX_LOGIN_SECONDS:
        misses.append(f"a login of {1000 * max_seconds:.0f} ms")
    print(f"MISSED: {'; '.join(misses)}" if misses else "all targets are met")
    return not misses


def quantile(times: Sequence[float], share: float) -> float:
    """Return the quantile `share` of sorted times."""
    return times[min(len(times) - 1, int(share * len(times)))]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.burst")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    strict = parser.parse_args(arguments).strict
    emails = [
        f"user{number}@example.com" for number in range(BURST_SIZE * BURST_COUNT + WARM_UP_SIZE * WARM_UP_BURSTS + 1)
    ]
    with running_server() as server:
        server.add_users(emails)
        token = server.login(emails.pop())["token"]
        is_met = print_report(measure(server.port, token, emails))
    return 1 if strict and not is_met else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
