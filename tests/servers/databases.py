"""MariaDB and Redis."""

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from sqlalchemy import URL, NullPool, create_engine
from tests.servers.process import Server

USER, PASSWORD = "app", "secret"


class MariaDB(Server):
    """An empty MariaDB. The user of the URLs may do anything in the databases made here, and nothing elsewhere."""

    name = "mariadb"

    def __init__(self, *options: str) -> None:
        """Options are those of mariadbd, and win: "--innodb-flush-log-at-trx-commit=1" for a disk that is asked."""
        super().__init__()
        self.options = options
        self.socket = self.home / "sock"
        root = URL.create("mysql+pymysql", "root", host="localhost", query={"unix_socket": str(self.socket)})
        self._root = create_engine(root, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def start(self) -> Self:
        if not (self.home / "data").exists():
            self._fill()
        return super().start()

    def url(self, database: str) -> str:
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> None:
        self.execute(f"CREATE DATABASE `{database}`")
        exactly = database.replace("_", r"\_")  # in a grant, an underscore stands for any letter
        self.execute(f"GRANT ALL ON `{exactly}`.* TO {USER}@'%'")

    def drop(self, database: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS `{database}`")

    def execute(self, statement: str) -> None:
        """One statement as the server's root: "SET GLOBAL read_only=1", "KILL 7"."""
        with self._root.connect() as connection:
            connection.exec_driver_sql(statement.replace("%", "%%"))

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:  # first, because PyMySQL leaks the socket of a failed attempt
            if probe.connect_ex(str(self.socket)):
                return False
        self.execute("SELECT 1")
        return True

    def command(self) -> Sequence[str | Path]:
        return [
            *self._basics(),
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self.home}/pid",
            "--character-set-server=utf8mb4",
            "--skip-name-resolve",
            "--performance-schema=OFF",
            "--innodb-buffer-pool-size=64M",
            # What was committed outlives the process, if not a power cut: `kill` is fair, and no test waits for a disk.
            "--innodb-flush-log-at-trx-commit=2",
            "--skip-log-bin",
            *self.options,
        ]

    def _basics(self) -> list[str | Path]:
        return [
            self.binaries.mariadbd,
            "--no-defaults",
            *(["--user=root"] if os.geteuid() == 0 else []),
            f"--basedir={self.binaries.basedir}",
            f"--datadir={self.home}/data",
            f"--tmpdir={self.home}",
            f"--lc-messages-dir={self.binaries.share}",
            f"--character-sets-dir={self.binaries.share}/charsets",
            "--innodb-log-file-size=16M",
            "--innodb-use-native-aio=OFF",
        ]

    def _fill(self) -> None:
        """What mariadb-install-db does, without the help texts: half a second, and no script that looks for files."""
        (self.home / "data").mkdir(mode=0o700)
        tables = "".join(file.read_text() for file in self.binaries.system_tables)
        user = f"FLUSH PRIVILEGES;\nCREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';\n"
        done = subprocess.run(
            [*self._basics(), "--bootstrap"],
            input=f"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n{tables}\n{user}",
            env=self.binaries.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"mariadbd could not fill its data folder:\n{done.stderr[-2000:]}")


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
