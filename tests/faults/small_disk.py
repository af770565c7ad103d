"""A database whose disk can be filled."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.servers import MariaDB

SIZE = 256  # MB
PIECE = 65536
# A disk in memory, in a namespace of its own, which needs no rights; the data is put there before the server starts. On
# a full disk InnoDB may end the server, which a service manager would start again.
SCRIPT = """
mkdir "$1/disk" && mount -t tmpfs -o size=$2m none "$1/disk" && cp -a "$1/data/." "$1/disk/" || exit 1
mount --bind "$1/disk" "$1/data" && shift 2 || exit 1
while true; do "$@"; sleep 1; done
"""
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child")


class SmallDisk(MariaDB):
    """Once stopped it is empty again."""

    def command(self) -> Sequence[str | Path]:
        inside = [*super().command(), "--user=root"]
        return [*UNSHARE, "sh", "-c", SCRIPT, "-", self.home, str(SIZE), *inside]

    def use_up(self) -> None:
        """Fill the disk to its last page."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            while ballast.write(bytes(PIECE)) == PIECE:
                pass

    def is_full(self) -> bool:
        found = os.statvfs(self._ballast.parent)
        return found.f_bavail == 0

    def make_room(self) -> None:
        """And wait until the server answers."""
        self._ballast.unlink(missing_ok=True)
        self._wait_until(self.answers)

    @property
    def _ballast(self) -> Path:
        """As it is seen from outside of the namespace."""
        pid = self._process.pid if self._process else 0
        return Path(f"/proc/{pid}/root{self.home}/data/ballast")
