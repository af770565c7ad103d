"""The upper bounds of any server: the raw hash rate of all processors, and bare Flask under the same server."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import make_url, select
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.servers import free_port, mysqlclient

from benchmarks.environment import BENCH_DIR, RunningServer
from benchmarks.peers import LoadTarget
from benchmarks.peers.environments import UV
from benchmarks.wrk import Load
from flaskauth.accounts.models import User
from flaskauth.core.db.session import db

ROOT = Path(__file__).parents[1]
NATIVE_DIR = BENCH_DIR / "native"
# The build of argon2-cffi-bindings that the production guide documents, but into a separate directory.
BUILD_OPTIONS = ("--no-deps", "--reinstall", "--no-cache", "--no-binary", "argon2-cffi-bindings")
COMPILER_FLAGS = "-O3 -march=native"
HASH_SECONDS = 4.0
HASH_SCRIPT = """
import json, sys, time
from flaskauth.core.passwords.hashes import ARGON2
stored, count, cpu = ARGON2.hash("seven green kettles"), 0, time.process_time()
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    count += ARGON2.verify("seven green kettles", stored)
print(json.dumps([count / float(sys.argv[1]), 1000 * (time.process_time() - cpu) / count]))
"""


@dataclass(frozen=True)
class HashRate:
    """Password verifications per second of all processors, and the CPU milliseconds of one."""

    per_second: float
    cpu_ms: float


def measure_hash_rate(native: Mapping[str, str] | None = None) -> HashRate:
    """Verify passwords in one process per processor, with flaskauth's parameters."""
    command = [sys.executable, "-c", HASH_SCRIPT, str(HASH_SECONDS)]
    environment = {**os.environ, **(native or {})}
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(os.cpu_count() or 1)
    ]
    results = [json.loads(process.communicate(timeout=HASH_SECONDS + 30)[0]) for process in processes]
    return HashRate(sum(rate for rate, _ in results), statistics.mean(cpu_ms for _, cpu_ms in results))


def build_native() -> dict[str, str]:
    """Build the hash for this machine's processor, and return the environment variables that select the build."""
    if not NATIVE_DIR.exists():
        print("Building argon2-cffi-bindings for this processor", flush=True)
        command = [
            str(UV),
            "pip",
            "install",
            "--quiet",
            "--python",
            sys.executable,
            "--target",
            str(NATIVE_DIR),
            *BUILD_OPTIONS,
        ]
        command += [f"argon2-cffi-bindings=={version('argon2-cffi-bindings')}"]
        subprocess.run(command, env={**os.environ, "CFLAGS": COMPILER_FLAGS}, check=True)
    driver = mysqlclient.active_driver_environment().get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(NATIVE_DIR), driver)))}


@contextmanager
def running_bare_flask(server: RunningServer, database: str) -> Iterator[LoadTarget]:
    """Run Flask with one primary-key read, under granian with as many processes as flaskauth."""
    port, url = free_port(), make_url(database)
    connection_settings = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "passwd": url.password,
        "db": url.database,
    }
    settings = {
        "BASELINE_DATABASE": json.dumps(connection_settings),
        "BASELINE_USER_ID": str(server.in_transaction(lambda: db.session.scalars(select(User.id)).first())),
        "PYTHONPATH": os.pathsep.join((str(ROOT), mysqlclient.driver_environment()["PYTHONPATH"])),
    }
    command = ("granian", "--interface", "wsgi", "--workers", "2", "--blocking-threads", "4", "--port", str(port))
    with TemporaryDirectory() as directory, closing(HttpClient(port)) as http_client:
        workspace = Workspace(Path(directory), {**mysqlclient.driver_environment(), **settings})
        with workspace.start(*command, "benchmarks.baseline:app") as process:
            process.wait_until(lambda: _is_ready(http_client))
            yield LoadTarget(port, {"profile": lambda: Load("GET", "/one")}, process.pid)


def _is_ready(http_client: HttpClient) -> bool:
    try:
        return http_client.get("/one").status == 200
    except OSError:
        http_client.close()
        return False
