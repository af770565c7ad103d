"""MariaDB and Redis."""

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.servers.process import Server
from tests.servers.sql import PASSWORD, USER, PrivateSqlServer


class MariaDB(PrivateSqlServer):
    """An empty MariaDB."""

    name = "mariadb"

    def program(self) -> list[str | Path]:
        return [self.binaries.mariadbd]

    def basics(self) -> list[str | Path]:
        return [
            *super().basics(),
            f"--basedir={self.binaries.basedir}",
            f"--lc-messages-dir={self.binaries.share}",
            f"--character-sets-dir={self.binaries.share}/charsets",
            "--innodb-log-file-size=16M",
        ]

    def fill(self) -> None:
        """What mariadb-install-db does, without the help texts: half a second, and no script that looks for files."""
        self.make_folder()
        tables = "".join(file.read_text() for file in self.binaries.system_tables)
        user = f"FLUSH PRIVILEGES;\nCREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';\n"
        done = subprocess.run(
            [*self.basics(), "--bootstrap"],
            input=f"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n{tables}\n{user}",
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"mariadbd could not fill its data folder:\n{done.stderr[-2000:]}")

    def make_folder(self) -> None:
        (self.home / "data").mkdir(mode=0o700)


class Redis(Server):
    """A Redis that keeps nothing when it ends."""

    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as link:
                link.sendall(b"PING\r\n")
                return link.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def command(self) -> Sequence[str | Path]:
        settings = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.home), "save": "", "appendonly": "no"}
        return [self.binaries.redis_server, *(word for name in settings for word in (f"--{name}", settings[name]))]
