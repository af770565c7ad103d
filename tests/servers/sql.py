"""What MariaDB and MySQL have in common."""

import os
import socket
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from sqlalchemy import URL, NullPool, create_engine
from tests.servers.process import Server

USER, PASSWORD = "app", "secret"
# What the product must not care about.
FAR_FROM_UTC = "+05:45"
OLD_LETTERS = "latin1"


class SqlServer:
    """A server in which databases are made and dropped."""

    def __init__(self, root: URL) -> None:
        """The root may do everything there."""
        self.root = root
        self._root = create_engine(
            root,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,  # a node outside of its cluster refuses even that
            pool_reset_on_return=None,
        )

    def url(self, database: str) -> str:
        return self.root.set(drivername="mysql", database=database).render_as_string(hide_password=False)

    def create(self, database: str) -> None:
        self.execute(f"CREATE DATABASE `{database}` CHARACTER SET {OLD_LETTERS}")

    def drop(self, database: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS `{database}`")

    def execute(self, statement: str) -> None:
        """One statement as the server's root: "SET GLOBAL read_only=1", "KILL 7"."""
        with self._root.connect() as connection:
            connection.exec_driver_sql(statement.replace("%", "%%"))

    def ask(self, question: str) -> object:
        """What the root is told."""
        with self._root.connect() as connection:
            return connection.exec_driver_sql(question.replace("%", "%%")).scalar_one()


class PrivateSqlServer(SqlServer, Server):
    """An empty one. The user of its URLs may do anything in the databases made here, and nothing elsewhere."""

    becomes = "root"  # when root has started it

    def __init__(self, *options: str) -> None:
        """Options are those of the server, and win: "--innodb-flush-log-at-trx-commit=1" for a disk that is asked."""
        Server.__init__(self)
        self.options = options
        self.socket = self.home / "sock"
        root = URL.create("mysql+pymysql", "root", host="localhost", query={"unix_socket": str(self.socket)})
        SqlServer.__init__(self, root)

    def start(self) -> Self:
        if not (self.home / "data").exists():
            self.fill()
        return super().start()

    def url(self, database: str) -> str:
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> None:
        super().create(database)
        exactly = database.replace("_", r"\_")  # in a grant, an underscore stands for any letter
        self.execute(f"GRANT ALL ON `{exactly}`.* TO {USER}@'%'")

    def answers(self) -> bool:
        if not self._greets():  # first, because PyMySQL leaks the socket of a failed attempt
            return False
        self.execute("SELECT 1")
        return True

    def _greets(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.settimeout(1)
            probe.connect(str(self.socket))
            return probe.recv(1) != b""
        return False

    def command(self) -> Sequence[str | Path]:
        return [
            *self.basics(),
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self.home}/pid",
            f"--default-time-zone={FAR_FROM_UTC}",
            "--skip-name-resolve",
            "--performance-schema=OFF",
            "--innodb-buffer-pool-size=64M",
            # What was committed outlives the process, if not a power cut: `kill` is fair, and no test waits for a disk.
            "--innodb-flush-log-at-trx-commit=2",
            "--skip-log-bin",
            *self.options,
        ]

    def basics(self) -> list[str | Path]:
        """The program, where its files are, and what an empty data folder is made with."""
        return [
            *self.program(),
            "--no-defaults",
            *([f"--user={self.becomes}"] if os.geteuid() == 0 else []),
            f"--datadir={self.home}/data",
            f"--tmpdir={self.home}",
            "--innodb-use-native-aio=OFF",
        ]

    @abstractmethod
    def program(self) -> list[str | Path]:
        """What is started, and what it needs of its own."""

    @abstractmethod
    def fill(self) -> None:
        """Make the data folder, with the user of the URLs."""
