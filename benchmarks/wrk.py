"""Load generation with wrk: keep-alive connections that send requests as fast as the server responds."""

import json
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

SCRIPT = Path(__file__).with_name("wrk_script.lua")
TIMEOUT = 10  # seconds that wrk waits for a response
JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass(frozen=True)
class Load:
    """A request that is sent repeatedly.

    In `body`, @NEW@ is a different word in each request, @KNOWN@ a number from 1 to `user_count`, and @TOKEN@ one of
    the `tokens`. If `next_token_pattern` is set, a Lua pattern that finds the next token in a response, each
    token is used once. Otherwise a random token is sent in `token_header`.
    """

    method: str
    path: str
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens: Sequence[str] = ()
    token_header: str = "Authorization"
    token_prefix: str = "Bearer "
    next_token_pattern: str | None = None
    user_count: int = 1
    pause_ms: int = 0
    """Milliseconds that each connection waits before its next request, on average."""


@dataclass(frozen=True)
class LoadResult:
    """Successful responses per second, latencies in milliseconds, failures, and what the processes used meanwhile."""

    rate: float
    p50: float
    p99: float
    max_ms: float
    error_responses: int
    socket_errors: int
    seconds: float
    cpu_ms: Mapping[str, float] = field(default_factory=dict)
    """CPU milliseconds of each process for one successful response."""
    switches: float = 0.0
    """Context switches of the server for one successful response."""
    idle: float = 0.0
    """The share of time in which a processor idled or waited for the disk."""

    def summary(self) -> str:
        """Return the figures in one line."""
        parts = [f"{self.rate:.0f}/s", f"p99 {self.p99:.1f} ms", *(f"{n} {ms:.2f} ms" for n, ms in self.cpu_ms.items())]
        if self.cpu_ms:
            parts.append(f"{self.switches:.1f} context switches, idle {self.idle:.0%}")
        if self.error_responses + self.socket_errors:
            parts.append(f"{self.error_responses} error responses, {self.socket_errors} socket errors")
        return "; ".join(parts)


class WrkNotFoundError(Exception):
    """wrk is not installed."""


def post(path: str, **body: str) -> Load:
    """Return a load of POST requests with a JSON body."""
    return Load("POST", path, json.dumps(body), JSON_HEADERS)


def run(port: int, load: Load, connections: int, seconds: float) -> LoadResult:
    """Run wrk against a server on this machine.

    Raises:
        WrkNotFoundError
    """
    threads = min(2, connections)
    with TemporaryDirectory() as directory:
        table = Path(directory, "load.lua")
        table.write_text(f"return {_to_lua(_script_parameters(load, threads))}")
        command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds:g}s", f"--timeout={TIMEOUT}s"]
        command += ["-s", str(SCRIPT), f"http://127.0.0.1:{port}", "--", str(table)]
        try:
            process = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True)
        except FileNotFoundError:
            raise WrkNotFoundError("wrk is not installed. Install it, for example with: apt install wrk") from None
    summary = json.loads(process.stdout.splitlines()[-1])
    rate = (summary["requests"] - summary["error_responses"]) / summary["seconds"]
    return LoadResult(
        rate,
        summary["p50"],
        summary["p99"],
        summary["max_ms"],
        summary["error_responses"],
        summary["socket_errors"],
        summary["seconds"],
    )


def _script_parameters(load: Load, threads: int) -> dict[str, object]:
    thread_settings = {"threads": threads, "seed": secrets.randbelow(2**31), "name": secrets.token_hex(4)}
    return {**vars(replace(load, headers=dict(load.headers), tokens=list(load.tokens))), **thread_settings}


def _to_lua(value: object) -> str:
    """Return a value as a Lua literal."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"[{_to_lua(key)}] = {_to_lua(item)}" for key, item in value.items() if item is not None)
            + "}"
        )
    if isinstance(value, list):
        return "{" + ", ".join(map(_to_lua, value)) + "}"
    return json.dumps(value, ensure_ascii=False)
