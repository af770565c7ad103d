"""Private MariaDB and Redis servers."""

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.servers.process import Server
from tests.servers.sql import PASSWORD, USER, PrivateSqlServer


class MariaDB(PrivateSqlServer):
    """An empty MariaDB server."""

    name = "mariadb"

    def program(self) -> list[str | Path]:
        return [self.binaries.mariadbd]

    def base_command(self) -> list[str | Path]:
        return [
            *super().base_command(),
            f"--basedir={self.binaries.basedir}",
            f"--lc-messages-dir={self.binaries.share}",
            f"--character-sets-dir={self.binaries.share}/charsets",
            "--innodb-log-file-size=16M",
        ]

    def initialize_data(self) -> None:
        """Do the work of mariadb-install-db without its help tables, in half a second."""
        self.create_data_folder()
        tables = "".join(file.read_text() for file in self.binaries.system_tables)
        user = f"FLUSH PRIVILEGES;\nCREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';\n"
        result = subprocess.run(
            [*self.base_command(), "--bootstrap"],
            input=f"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n{tables}\n{user}",
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise RuntimeError(f"mariadbd cannot initialize its data folder:\n{result.stderr[-2000:]}")

    def create_data_folder(self) -> None:
        (self.home / "data").mkdir(mode=0o700)


class Redis(Server):
    """A Redis server without persistence."""

    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    def command(self) -> Sequence[str | Path]:
        settings = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.home), "save": "", "appendonly": "no"}
        return [
            self.binaries.redis_server,
            *(argument for name in settings for argument in (f"--{name}", settings[name])),
        ]
