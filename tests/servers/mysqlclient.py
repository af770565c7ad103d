"""Build mysqlclient, the faster driver, beside .venv: the run that has it on PYTHONPATH uses it, no other does."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

from tests.servers.binaries import OWN
from tests.servers.packages import Failed, advising, run, succeeds, unpacked

DRIVER = OWN.parent / "mysqlclient"
CLIENT = OWN.parent / "libmariadb"
LOCK = Path(__file__).with_name("mysqlclient.txt")
ADVICE = "The tests build mysqlclient, for which they need a C compiler and Python's headers: gcc and python3-dev"


def install_mysqlclient() -> None:
    """Unless it is there, for this Python and by this lock."""
    if _is_there():
        return
    print("Building mysqlclient for the tests", flush=True)
    with advising(ADVICE):
        if not (shutil.which("cc") and Path(sysconfig.get_path("include"), "Python.h").exists()):
            raise Failed("they are not here")
        _build({} if succeeds("pkg-config", "--exists", "libmariadb") else _own_client())


def _is_there() -> bool:
    stamp = DRIVER / LOCK.name
    if not stamp.exists() or stamp.read_text() != LOCK.read_text():
        return False
    return succeeds("env", f"PYTHONPATH={DRIVER}", sys.executable, "-c", "import MySQLdb")


def environment() -> dict[str, str]:
    """What a process needs to find it, and it its ways to sign in."""
    plugins = next(CLIENT.glob("usr/lib/*-linux-*/libmariadb3/plugin"), None)
    return {"PYTHONPATH": str(DRIVER), **({"MARIADB_PLUGIN_DIR": str(plugins)} if plugins else {})}


def environment_in_use() -> dict[str, str]:
    """The same where this process was started so, else nothing."""
    return environment() if str(DRIVER) in sys.path else {}


def run_with(words: list[str]) -> NoReturn:
    """Become this command, with the driver."""
    os.execvpe(words[0], words, {**os.environ, **environment()})


def _build(flags: dict[str, str]) -> None:
    shutil.rmtree(DRIVER, ignore_errors=True)
    lock, lock_text = str(LOCK), LOCK.read_text()
    run(
        str(Path(sys.executable).with_name("uv")),
        *("pip", "install", "--quiet", "--python", sys.executable, "--target", str(DRIVER)),
        *("--require-hashes", "--build-constraints", lock, "--constraints", lock, "--no-binary", "mysqlclient"),
        *("--no-cache", lock_text.split()[0]),
        environment={**os.environ, **flags},
    )
    shutil.copy(LOCK, DRIVER)


def _own_client() -> dict[str, str]:
    """Its C library, unpacked; what it needs itself is looked for there too."""
    if not CLIENT.exists():
        with unpacked(CLIENT, "libmariadb-dev", "libmariadb3") as root:
            root.rename(CLIENT)
    headers, library = CLIENT / "usr/include/mariadb", next(CLIENT.glob("usr/lib/*-linux-*"))
    return {
        "MYSQLCLIENT_CFLAGS": f"-I{headers} -I{headers}/mysql",
        "MYSQLCLIENT_LDFLAGS": f"-L{library} -lmariadb -Wl,--disable-new-dtags,-rpath,{library}",
    }
