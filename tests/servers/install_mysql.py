"""Bring MySQL 9 from Debian's packages, to an older Debian too: what it runs with comes along."""

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers.binaries import Missing
from tests.servers.mysql import GIVEN, MYSQL, program
from tests.servers.packages import Failed, advising, run, unpacked

# Debian's releases carry MariaDB only.
SUITE = "sid"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
NOTHING = Path("/dev/null")
ADVICE = (
    "MySQL 9 comes from Debian's packages, for amd64 and arm64. Here, name a server that has nothing to lose, by a user"
    f" who may do everything: {GIVEN}=mysql://root:password@127.0.0.1:3306/"
)


def install_mysql() -> None:
    """Unless it is there, or another is named."""
    if os.environ.get(GIVEN) or _is_there():
        return
    print("Unpacking MySQL for the tests", flush=True)
    with advising(ADVICE):
        _unpack()


def _is_there() -> bool:
    with suppress(Missing, Failed):
        _check(MYSQL)
        return True
    return False


def _unpack() -> None:
    """From the first of the machine's package sources that is a mirror of Debian's."""
    problem = Failed("no source of packages is a mirror of Debian's")
    for mirror in _mirrors():
        try:
            _unpack_from(mirror)
        except Failed as found:
            problem = found
        else:
            return
    raise problem


def _unpack_from(mirror: str) -> None:
    with TemporaryDirectory() as name:
        sources = Path(name) / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n")
        # Of what this machine has installed, nothing is good enough.
        apt = {"Dir_Etc_SourceList": sources, "Dir_Etc_SourceParts": NOTHING, "Dir_State_status": NOTHING}
        with unpacked(MYSQL, "mysql-server-core", **apt) as root:
            _check(root)
            shutil.rmtree(MYSQL, ignore_errors=True)
            root.rename(MYSQL)


def _mirrors() -> list[str]:
    """Where this machine gets its packages."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return []
    said = run("apt-get", "-o", "Debug::NoLocking=true", "update", "--print-uris")
    found = re.findall(r"^'(\S+)/dists/", said, re.MULTILINE)
    return [mirror for mirror in dict.fromkeys(found) if "security" not in mirror]


def _check(root: Path) -> None:
    try:
        version = run(*map(str, program(root)), "--version")
    except Missing:
        raise Failed("its package has it in an unknown place") from None
    if " Ver 9." not in version:
        raise Failed(f"this is another version: {version.strip()}")
