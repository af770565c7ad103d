"""Build mysqlclient, the faster driver, outside of .venv. Only processes with it on PYTHONPATH use it."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

from tests.servers.binaries import BUNDLED_ROOT
from tests.servers.packages import CommandError, run, succeeds, unpacked_packages, with_advice

DRIVER_FOLDER = BUNDLED_ROOT.parent / "mysqlclient"
CLIENT_FOLDER = BUNDLED_ROOT.parent / "libmariadb"
LOCK = Path(__file__).with_name("mysqlclient.txt")
ADVICE = "Building mysqlclient needs a C compiler and the headers of Python. Install gcc and python3-dev"


def install_mysqlclient() -> None:
    """Build the driver unless it exists for this Python and this lock file.

    Raises:
        InstallError
    """
    if _is_installed():
        return
    print("Building mysqlclient for the tests", flush=True)
    with with_advice(ADVICE):
        if not (shutil.which("cc") and Path(sysconfig.get_path("include"), "Python.h").exists()):
            raise CommandError("cc or Python.h is missing")
        _build({} if succeeds("pkg-config", "--exists", "libmariadb") else _bundled_client_flags())


def _is_installed() -> bool:
    stamp = DRIVER_FOLDER / LOCK.name
    if not stamp.exists() or stamp.read_text() != LOCK.read_text():
        return False
    return succeeds("env", f"PYTHONPATH={DRIVER_FOLDER}", sys.executable, "-c", "import MySQLdb")


def driver_environment() -> dict[str, str]:
    """Return the environment in which a process finds the driver, and the driver its authentication plugins."""
    plugins = next(CLIENT_FOLDER.glob("usr/lib/*-linux-*/libmariadb3/plugin"), None)
    return {"PYTHONPATH": str(DRIVER_FOLDER), **({"MARIADB_PLUGIN_DIR": str(plugins)} if plugins else {})}


def active_driver_environment() -> dict[str, str]:
    """Return `driver_environment()` if this process uses the driver, else an empty one."""
    return driver_environment() if str(DRIVER_FOLDER) in sys.path else {}


def exec_with_driver(command: list[str]) -> NoReturn:
    """Replace this process with a command that uses the driver."""
    os.execvpe(command[0], command, {**os.environ, **driver_environment()})


def _build(flags: dict[str, str]) -> None:
    shutil.rmtree(DRIVER_FOLDER, ignore_errors=True)
    lock, lock_text = str(LOCK), LOCK.read_text()
    run(
        str(Path(sys.executable).with_name("uv")),
        *("pip", "install", "--quiet", "--python", sys.executable, "--target", str(DRIVER_FOLDER)),
        *("--require-hashes", "--build-constraints", lock, "--constraints", lock, "--no-binary", "mysqlclient"),
        *("--no-cache", lock_text.split()[0]),
        environment={**os.environ, **flags},
    )
    shutil.copy(LOCK, DRIVER_FOLDER)


def _bundled_client_flags() -> dict[str, str]:
    """Unpack the C library of the driver, and return the flags to compile and link with it."""
    if not CLIENT_FOLDER.exists():
        with unpacked_packages(CLIENT_FOLDER, "libmariadb-dev", "libmariadb3") as root:
            root.rename(CLIENT_FOLDER)
    headers, library = CLIENT_FOLDER / "usr/include/mariadb", next(CLIENT_FOLDER.glob("usr/lib/*-linux-*"))
    return {
        "MYSQLCLIENT_CFLAGS": f"-I{headers} -I{headers}/mysql",
        "MYSQLCLIENT_LDFLAGS": f"-L{library} -lmariadb -Wl,--disable-new-dtags,-rpath,{library}",
    }
