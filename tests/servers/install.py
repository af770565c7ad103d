"""Bring MariaDB, Redis and nginx: by apt where one may, else the same packages unpacked into the project."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.servers.binaries import OWN, Binaries, Missing, binaries, own
from tests.servers.packages import CannotInstall, Failed, advising, run, succeeds, unpacked

# The core package has the server and no service; Redis's server is a name for a program of its tools.
PACKAGES = ("mariadb-server-core", "mariadb-client", "redis-server", "redis-tools", "nginx")
ADVICE = (
    "The tests need MariaDB, Redis and nginx: put `mariadbd`, `mariadb-dump`, `redis-server` and `nginx` on the PATH"
    " and run this again"
)
POLICY = Path("/usr/sbin/policy-rc.d")
FORBID_WHILE_ALIVE = """#!/bin/sh
# Written by a test run that is installing its servers.
! kill -0 {pid} 2>/dev/null || exit 101
"""


def install() -> None:
    """Unless they are there."""
    with suppress(Missing):
        binaries()
        return
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise CannotInstall(f"{ADVICE}.")
    print("Installing MariaDB, Redis and nginx for the tests", flush=True)
    with advising(ADVICE):
        if not by_apt(binaries, *PACKAGES):
            _unpack()


def by_apt(find: Callable[[], object], *packages: str) -> bool:
    """For root. Refused where it would remove something, say MySQL; then unpacking is kinder."""
    if os.geteuid() != 0 or os.environ.get("TEST_SERVERS") == "own":
        return False
    words = ("install", "-y", "--no-install-recommends", "--no-remove", *packages)
    with _services_stay_down(), suppress(Failed):
        if not succeeds("apt-get", *words):
            succeeds("apt-get", "update")
            run("apt-get", *words)
        find()
        return True
    return False


@contextmanager
def _services_stay_down() -> Iterator[None]:
    """Debian asks this file before it starts a service. Left behind by a crash, it allows everything again."""
    if POLICY.exists():
        yield
        return
    try:
        POLICY.write_text(FORBID_WHILE_ALIVE.format(pid=os.getpid()))
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _unpack() -> None:
    """What the machine lacks, from its own package sources."""
    with unpacked(OWN, *PACKAGES) as root:
        _check(own(root))
        shutil.rmtree(OWN, ignore_errors=True)
        root.rename(OWN)


def _check(found: Binaries | None) -> None:
    if found is None:
        raise Failed("the packages of this system keep them in unknown places")
    for program in (found.mariadbd, found.mariadb_dump, found.redis_server):
        run(str(program), "--version", environment=found.environment)
    run(str(found.nginx), "-v", environment=found.environment)
