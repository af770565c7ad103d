"""Unpack MySQL 9 from Debian's packages, with its libraries, so that it runs on an older Debian too."""

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers.binaries import ServerNotFoundError
from tests.servers.mysql import MYSQL_ROOT, MYSQL_URL_VARIABLE, mysqld_command
from tests.servers.packages import CommandError, run, unpacked_packages, with_advice

# Debian's releases contain MariaDB only.
SUITE = "sid"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEV_NULL = Path("/dev/null")
ADVICE = (
    "MySQL 9 can be unpacked from Debian's packages for amd64 and arm64. Otherwise set the URL of a disposable server"
    f" with a user that has all privileges: {MYSQL_URL_VARIABLE}=mysql://root:password@127.0.0.1:3306/"
)


def install_mysql() -> None:
    """Unpack MySQL unless it exists or TEST_MYSQL_URL is set.

    Raises:
        InstallError
    """
    if os.environ.get(MYSQL_URL_VARIABLE) or _is_installed():
        return
    print("Unpacking MySQL for the tests", flush=True)
    with with_advice(ADVICE):
        _unpack()


def _is_installed() -> bool:
    with suppress(ServerNotFoundError, CommandError):
        _check(MYSQL_ROOT)
        return True
    return False


def _unpack() -> None:
    """Unpack from the first package source of the system that is a mirror of Debian."""
    failure = CommandError("no package source is a mirror of Debian")
    for mirror in _mirrors():
        try:
            _unpack_from(mirror)
        except CommandError as error:
            failure = error
        else:
            return
    raise failure


def _unpack_from(mirror: str) -> None:
    with TemporaryDirectory() as name:
        sources = Path(name) / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n")
        # Ignore the installed packages, so that all dependencies are downloaded in the right version.
        apt = {"Dir_Etc_SourceList": sources, "Dir_Etc_SourceParts": DEV_NULL, "Dir_State_status": DEV_NULL}
        with unpacked_packages(MYSQL_ROOT, "mysql-server-core", **apt) as root:
            _check(root)
            shutil.rmtree(MYSQL_ROOT, ignore_errors=True)
            root.rename(MYSQL_ROOT)


def _mirrors() -> list[str]:
    """Return the URLs of the package sources of the system."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return []
    output = run("apt-get", "-o", "Debug::NoLocking=true", "update", "--print-uris")
    urls = re.findall(r"^'(\S+)/dists/", output, re.MULTILINE)
    return [mirror for mirror in dict.fromkeys(urls) if "security" not in mirror]


def _check(root: Path) -> None:
    try:
        version = run(*map(str, mysqld_command(root)), "--version")
    except ServerNotFoundError:
        raise CommandError("its package has an unknown layout") from None
    if " Ver 9." not in version:
        raise CommandError(f"this is a different version: {version.strip()}")
