"""Bring MariaDB and Redis: by apt where one may, else the same packages unpacked into the project."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers.binaries import OWN, Binaries, Missing, binaries, own

# The core package has the server and no service; Redis's server is a name for a program of its tools.
PACKAGES = ("mariadb-server-core", "redis-server", "redis-tools")
ADVICE = "The tests need MariaDB and Redis: put `mariadbd` and `redis-server` on the PATH and run this again"
POLICY = Path("/usr/sbin/policy-rc.d")
FORBID_WHILE_ALIVE = """#!/bin/sh
# Written by a test run that is installing its servers.
! kill -0 {pid} 2>/dev/null || exit 101
"""


class CannotInstall(Exception):
    """Neither the machine nor the project has the servers, and nothing here can bring them."""


def install() -> None:
    with suppress(Missing):
        binaries()
        return
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise CannotInstall(f"{ADVICE}.")
    print("Installing MariaDB and Redis for the tests", flush=True)
    if not _by_apt():
        _unpack()


def _by_apt() -> bool:
    """For root. Refused where it would remove something, say MySQL; then unpacking is kinder."""
    if os.geteuid() != 0 or os.environ.get("TEST_SERVERS") == "own":
        return False
    words = ("install", "-y", "--no-install-recommends", "--no-remove", *PACKAGES)
    with _services_stay_down(), suppress(CannotInstall):
        if not _succeeds("apt-get", *words):
            _succeeds("apt-get", "update")
            _run("apt-get", *words)
        binaries()
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
    """Download what the machine lacks with its own package sources, and unpack it: no root, nothing changed outside."""
    OWN.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=OWN.parent) as name:
        folder = Path(name)
        for package in _download(folder):
            _run("dpkg-deb", "-x", str(package), str(folder / "root"))
        _check(own(folder / "root"))
        shutil.rmtree(OWN, ignore_errors=True)
        (folder / "root").rename(OWN)


def _download(folder: Path) -> list[Path]:
    archives = folder / "archives"
    for needed in (folder / "lists/partial", archives / "partial"):
        needed.mkdir(parents=True)
    settings = {
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder,
        "Dir::Cache::archives": archives,
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "root",
    }
    options = [word for key, setting in settings.items() for word in ("-o", f"{key}={setting}")]
    _succeeds("apt-get", *options, "update")
    _run("apt-get", *options, "install", "-y", "--download-only", "--reinstall", "--no-install-recommends", *PACKAGES)
    return sorted(archives.glob("*.deb"))


def _check(found: Binaries | None) -> None:
    if found is None:
        raise CannotInstall(f"{ADVICE} (the packages of this system keep them in unknown places).")
    for program in (found.mariadbd, found.redis_server):
        _run(str(program), "--version", environment=found.environment)


def _succeeds(*command: str) -> bool:
    with suppress(CannotInstall):
        _run(*command)
        return True
    return False


def _run(*command: str, environment: Mapping[str, str] = os.environ) -> None:
    plain = {**environment, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(command, env=plain, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise CannotInstall(f"{ADVICE} ({Path(command[0]).name} said: {last}).")
