"""Install MariaDB, Redis, nginx and zsh with apt as root, else unpack the same packages into the project."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.servers.binaries import BUNDLED_ROOT, Binaries, ServerNotFoundError, bundled_binaries, find_binaries
from tests.servers.packages import CommandError, InstallError, run, succeeds, unpacked_packages, with_advice

# The core package contains the server without a service; redis-server is a link to a program of redis-tools.
PACKAGES = ("mariadb-server-core", "mariadb-client", "redis-server", "redis-tools", "nginx", "zsh")
ADVICE = (
    "The tests need MariaDB, Redis, nginx and zsh. Put `mariadbd`, `mariadb-dump`, `redis-server`, `nginx` and `zsh` on"
    " the PATH and run this command again"
)
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_SCRIPT = """#!/bin/sh
# Written by a test run that is installing its servers.
! kill -0 {pid} 2>/dev/null || exit 101
"""


def install() -> None:
    """Install the servers unless they exist.

    Raises:
        InstallError
    """
    with suppress(ServerNotFoundError):
        find_binaries()
        return
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise InstallError(f"{ADVICE}.")
    print("Installing MariaDB, Redis, nginx and zsh for the tests", flush=True)
    with with_advice(ADVICE):
        if not install_with_apt(find_binaries, *PACKAGES):
            _unpack()


def install_with_apt(find: Callable[[], object], *packages: str) -> bool:
    """Install packages with apt. Return False without root, or if apt would remove a package, such as MySQL."""
    if os.geteuid() != 0 or os.environ.get("TEST_SERVERS") == "own":
        return False
    arguments = ("install", "-y", "--no-install-recommends", "--no-remove", *packages)
    with _services_disabled(), suppress(CommandError):
        if not succeeds("apt-get", *arguments):
            succeeds("apt-get", "update")
            run("apt-get", *arguments)
        find()
        return True
    return False


@contextmanager
def _services_disabled() -> Iterator[None]:
    """Keep Debian from starting installed services: it runs this script first. A stale script has no effect."""
    if POLICY.exists():
        yield
        return
    try:
        POLICY.write_text(POLICY_SCRIPT.format(pid=os.getpid()))
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _unpack() -> None:
    """Unpack the packages from the package sources of the system."""
    with unpacked_packages(BUNDLED_ROOT, *PACKAGES) as root:
        _check(bundled_binaries(root))
        shutil.rmtree(BUNDLED_ROOT, ignore_errors=True)
        root.rename(BUNDLED_ROOT)


def _check(binaries: Binaries | None) -> None:
    if binaries is None:
        raise CommandError("the packages of this system have an unknown layout")
    for program in (binaries.mariadbd, binaries.mariadb_dump, binaries.redis_server, binaries.zsh):
        run(str(program), "--version", environment=binaries.environment)
    run(str(binaries.nginx), "-v", environment=binaries.environment)
