"""A MariaDB server whose disk can be filled."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.servers import MariaDB

SIZE = 256  # MB
WRITE_SIZE = 65536
# A tmpfs in its own mount namespace, which needs no privileges. The data is copied before the server starts. On a full
# disk InnoDB may stop the server; the loop restarts it, as a service manager would.
SCRIPT = """
mkdir "$1/disk" && mount -t tmpfs -o size=$2m none "$1/disk" && cp -a "$1/data/." "$1/disk/" || exit 1
mount --bind "$1/disk" "$1/data" && shift 2 || exit 1
while true; do "$@"; sleep 1; done
"""
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child")


class SmallDiskMariaDB(MariaDB):
    """MariaDB on a tmpfs. Its data is lost when it stops."""

    def command(self) -> Sequence[str | Path]:
        command = [*super().command(), "--user=root"]
        return [*UNSHARE, "sh", "-c", SCRIPT, "-", self.home, str(SIZE), *command]

    def fill(self) -> None:
        """Fill the disk to its last page."""
        with suppress(OSError), self._fill_file.open("ab", buffering=0) as file:
            while file.write(bytes(WRITE_SIZE)) == WRITE_SIZE:
                pass

    def is_full(self) -> bool:
        status = os.statvfs(self._fill_file.parent)
        return status.f_bavail == 0

    def free_space(self) -> None:
        """Delete the ballast and wait until the server is ready."""
        self._fill_file.unlink(missing_ok=True)
        self._wait_until(self.is_ready)

    @property
    def _fill_file(self) -> Path:
        """The path of the ballast, seen from outside the namespace."""
        pid = self._process.pid if self._process else 0
        return Path(f"/proc/{pid}/root{self.home}/data/ballast")
