"""The common part of MariaDB and MySQL."""

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
# Defaults of the server that flaskauth must not depend on.
NON_UTC_TIME_ZONE = "+05:45"
LEGACY_CHARSET = "latin1"


class SqlServer:
    """A database server in which tests create and drop databases."""

    def __init__(self, root: URL) -> None:
        """The user of `root` has all privileges."""
        self.root = root
        self._root = create_engine(
            root,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,  # a Galera node outside of its cluster rejects ROLLBACK too
            pool_reset_on_return=None,
        )

    def url(self, database: str) -> str:
        return self.root.set(drivername="mysql", database=database).render_as_string(hide_password=False)

    def create(self, database: str) -> None:
        self.execute(f"CREATE DATABASE `{database}` CHARACTER SET {LEGACY_CHARSET}")

    def drop(self, database: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS `{database}`")

    def execute(self, statement: str) -> None:
        """Execute one statement as root, such as "SET GLOBAL read_only=1" or "KILL 7"."""
        with self._root.connect() as connection:
            connection.exec_driver_sql(statement.replace("%", "%%"))

    def query_scalar(self, query: str) -> object:
        """Return the single value of a query as root."""
        with self._root.connect() as connection:
            return connection.exec_driver_sql(query.replace("%", "%%")).scalar_one()


class PrivateSqlServer(SqlServer, Server):
    """A private server. The user of its URLs has all privileges on the databases created here, and no others."""

    run_as_user = "root"  # when root has started it

    def __init__(self, *options: str, folder: str | None = None) -> None:
        """`options` are server options that override the defaults, such as "--innodb-flush-log-at-trx-commit=1"."""
        Server.__init__(self, folder)
        self.options = options
        self.socket = self.home / "sock"
        root = URL.create("mysql+pymysql", "root", host="localhost", query={"unix_socket": str(self.socket)})
        SqlServer.__init__(self, root)

    def start(self) -> Self:
        if not (self.home / "data").exists():
            self.initialize_data()
        return super().start()

    def url(self, database: str) -> str:
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> None:
        super().create(database)
        pattern = database.replace("_", r"\_")  # in a grant, an underscore is a wildcard
        self.execute(f"GRANT ALL ON `{pattern}`.* TO {USER}@'%'")

    def is_ready(self) -> bool:
        if not self._accepts_connections():  # first, because PyMySQL leaks the socket of a failed attempt
            return False
        self.execute("SELECT 1")
        return True

    def _accepts_connections(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.settimeout(1)
            probe.connect(str(self.socket))
            return probe.recv(1) != b""
        return False

    def command(self) -> Sequence[str | Path]:
        return [
            *self.base_command(),
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self.home}/pid",
            f"--default-time-zone={NON_UTC_TIME_ZONE}",
            "--skip-name-resolve",
            "--performance-schema=OFF",
            "--innodb-buffer-pool-size=64M",
            # Commits survive a killed process, but not a power failure; no test waits for a disk.
            "--innodb-flush-log-at-trx-commit=2",
            "--skip-log-bin",
            *self.options,
        ]

    def base_command(self) -> list[str | Path]:
        """Return the program with the options that are also needed to initialize the data folder."""
        return [
            *self.program(),
            "--no-defaults",
            *([f"--user={self.run_as_user}"] if os.geteuid() == 0 else []),
            f"--datadir={self.home}/data",
            f"--tmpdir={self.home}",
            "--innodb-use-native-aio=OFF",
        ]

    @abstractmethod
    def program(self) -> list[str | Path]:
        """Return the program, with a loader if it needs one."""

    @abstractmethod
    def initialize_data(self) -> None:
        """Create the data folder, with the user of the URLs."""
