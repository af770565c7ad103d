"""What no server can exceed: the raw rate of the hash on all processors, and bare Flask under the same server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import make_url, select
from tests.journeys.processes import Place
from tests.journeys.visitors import Visitor
from tests.servers import free_port, mysqlclient

from benchmarks.grounds import Grounds
from benchmarks.peers import Site
from benchmarks.peers.homes import BENCH, UV
from benchmarks.wrk import Load
from flaskauth.accounts.models import User
from flaskauth.foundation.db import db

ROOT = Path(__file__).parents[1]
NATIVE = BENCH / "native"
# The documented command, into a folder beside .venv.
BUILD = ("--no-deps", "--reinstall", "--no-cache", "--no-binary", "argon2-cffi-bindings")
FLAGS = "-O3 -march=native"
HASHES = """
import sys, time
from flaskauth.foundation.hashing import _ARGON2
stored, done, end = _ARGON2.hash("seven green kettles"), 0, time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    done += _ARGON2.verify("seven green kettles", stored)
print(done / float(sys.argv[1]))
"""


def hash_rate(seconds: float, native: Mapping[str, str] | None = None) -> float:
    """Passwords that one process for each processor compares in a second, at our parameters."""
    words = [sys.executable, "-c", HASHES, str(seconds)]
    environment = {**os.environ, **(native or {})}
    started = [
        subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(os.cpu_count() or 1)
    ]
    return sum(float(one.communicate(timeout=seconds + 30)[0]) for one in started)


def build_native() -> dict[str, str]:
    """The hash built for this machine's processor; what a process needs to take it instead of the wheel's."""
    if not NATIVE.exists():
        print("Building argon2-cffi-bindings for this processor", flush=True)
        words = [str(UV), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(NATIVE), *BUILD]
        words += [f"argon2-cffi-bindings=={version('argon2-cffi-bindings')}"]
        subprocess.run(words, env={**os.environ, "CFLAGS": FLAGS}, check=True)
    driver = mysqlclient.environment_in_use().get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(NATIVE), driver)))}


@contextmanager
def bare(where: Grounds, database: str) -> Iterator[Site]:
    """Flask that reads one of these people by primary key and says so, under granian with as many processes."""
    port, url = free_port(), make_url(database)
    told = {"host": url.host, "port": url.port, "user": url.username, "passwd": url.password, "db": url.database}
    settings = {
        "BARE_DATABASE": json.dumps(told),
        "BARE_PERSON": str(where.within(lambda: db.session.scalars(select(User.id)).first())),
        "PYTHONPATH": os.pathsep.join((str(ROOT), mysqlclient.environment()["PYTHONPATH"])),
    }
    words = ("granian", "--interface", "wsgi", "--workers", "2", "--blocking-threads", "4", "--port", str(port))
    with TemporaryDirectory() as folder, closing(Visitor(port)) as visitor:
        place = Place(Path(folder), {**mysqlclient.environment(), **settings})
        with place.start(*words, "benchmarks.bare:app") as running:
            running.wait_until(lambda: _answers(visitor))
            yield Site(port, {"profile": lambda: Load("GET", "/one")})


def _answers(visitor: Visitor) -> bool:
    try:
        return visitor.get("/one").status == 200
    except OSError:
        visitor.close()
        return False
