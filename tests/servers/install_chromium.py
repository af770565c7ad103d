"""Install Debian's Chromium for the browser tests: with apt as root, else unpacked into the project.

Without it, such as on Ubuntu, which has no package of it, the browser tests are skipped.
"""

import os
import shlex
import shutil

from tests.servers.binaries import BUNDLED_ROOT
from tests.servers.install import install_with_apt
from tests.servers.packages import CommandError, run, unpacked_packages

CHROMIUM_ROOT = BUNDLED_ROOT.with_name("chromium")
LAUNCHER = CHROMIUM_ROOT / "chromium-for-tests"
PACKAGES = ("chromium", "chromium-common")
NAMES = ("chromium", "chromium-browser", "google-chrome")
SCRIPT = """#!/bin/sh
export LD_LIBRARY_PATH={libraries}
[ -e /etc/fonts ] || export FONTCONFIG_SYSROOT={root}
exec {root}/usr/lib/chromium/chromium "$@"
"""


def find_chromium() -> str | None:
    """Return the Chromium of the system, else the one in the project. TEST_SERVERS=own ignores the system's."""
    names = () if os.environ.get("TEST_SERVERS") == "own" else NAMES
    return next(filter(None, map(shutil.which, (*names, str(LAUNCHER)))), None)


def install_chromium() -> None:
    """Install Chromium unless it exists. Print a message if that is impossible."""
    if find_chromium():
        return
    print("Installing Chromium for the tests", flush=True)
    try:
        if not install_with_apt(_check, *PACKAGES):
            _unpack()
    except CommandError as error:
        print(f"There is no Chromium, so the browser tests are skipped ({error}).", flush=True)


def _check() -> None:
    executable = find_chromium()
    if executable is None:
        raise CommandError("the package contains no browser")
    run(executable, "--version")


def _unpack() -> None:
    """Unpack the package, with a script that lets the browser find its libraries."""
    with unpacked_packages(CHROMIUM_ROOT, *PACKAGES) as root:
        shutil.rmtree(CHROMIUM_ROOT, ignore_errors=True)
        root.rename(CHROMIUM_ROOT)
    folders = [*CHROMIUM_ROOT.glob("lib/*-linux-*"), *CHROMIUM_ROOT.glob("usr/lib/*-linux-*")]
    libraries = shlex.quote(":".join(map(str, folders)))
    LAUNCHER.write_text(SCRIPT.format(root=shlex.quote(str(CHROMIUM_ROOT)), libraries=libraries))
    LAUNCHER.chmod(0o755)
    try:
        _check()
    except CommandError:
        LAUNCHER.unlink()
        raise
