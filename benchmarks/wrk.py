"""Load from wrk: as many requests as the server answers, on connections that are kept."""

import json
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

SCRIPT = Path(__file__).with_name("ask.lua")
PATIENCE = 10  # seconds that wrk waits for one answer
JSON = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass(frozen=True)
class Load:
    """What is asked again and again.

    In `body` @NEW@ is another word each time, @KNOWN@ the number of one of the `people`, @TOKEN@ one of the `tokens`.
    Where `trades`, a Lua pattern, finds the next token in an answer, each token is used once; else one of them goes
    into `token_header`.
    """

    method: str
    path: str
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens: Sequence[str] = ()
    token_header: str = "Authorization"
    token_prefix: str = "Bearer "
    trades: str | None = None
    people: int = 1
    pause: int = 0
    """Milliseconds that each connection waits before it asks again."""


@dataclass(frozen=True)
class Figures:
    """What came of it: answers a second, milliseconds that they took, and how many were none."""

    rate: float
    p50: float
    p99: float
    longest: float
    refused: int
    broken: int


class NoWrk(Exception):
    """wrk is not installed."""


def post(path: str, **body: str) -> Load:
    """A call with a JSON body."""
    return Load("POST", path, json.dumps(body), JSON)


def run(port: int, load: Load, connections: int, seconds: float) -> Figures:
    """Load a server on this machine.

    Raises:
        NoWrk
    """
    threads = min(2, connections)
    with TemporaryDirectory() as folder:
        table = Path(folder, "load.lua")
        table.write_text(f"return {_lua(_told(load, threads))}")
        words = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds:g}s", f"--timeout={PATIENCE}s"]
        words += ["-s", str(SCRIPT), f"http://127.0.0.1:{port}", "--", str(table)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 30, check=True)
        except FileNotFoundError:
            raise NoWrk("The load comes from wrk, which is not here: apt install wrk") from None
    told = json.loads(done.stdout.splitlines()[-1])
    rate = (told["requests"] - told["refused"]) / told["seconds"]
    return Figures(rate, told["p50"], told["p99"], told["longest"], told["refused"], told["broken"])


def _told(load: Load, threads: int) -> dict[str, object]:
    run_of = {"threads": threads, "seed": secrets.randbelow(2**31), "name": secrets.token_hex(4)}
    return {**vars(replace(load, headers=dict(load.headers), tokens=list(load.tokens))), **run_of}


def _lua(value: object) -> str:
    """A value as Lua writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{_lua(key)}] = {_lua(one)}" for key, one in value.items() if one is not None) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(_lua, value)) + "}"
    return json.dumps(value, ensure_ascii=False)
