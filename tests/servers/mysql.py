"""A private MySQL (not MariaDB), which `python -m tests.servers install-mysql` unpacks into the project."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url
from tests.servers.binaries import BUNDLED_ROOT, ServerNotFoundError
from tests.servers.sql import NON_UTC_TIME_ZONE, PASSWORD, USER, PrivateSqlServer, SqlServer

MYSQL_ROOT = BUNDLED_ROOT.parent / "mysql"
MYSQL_URL_VARIABLE = "TEST_MYSQL_URL"


def mysqld_command(root: Path = MYSQL_ROOT) -> list[str | Path]:
    """Return the command with the libraries and the loader of the unpacked packages, for older systems."""
    mysqld, loader = root / "usr/sbin/mysqld", next(root.glob("usr/lib/*-linux-*/ld-*.so.*"), None)
    if loader is None or not mysqld.exists():
        raise ServerNotFoundError("MySQL is missing. `make test-mysql` installs it.")
    return [loader, "--library-path", loader.parent, "--argv0", mysqld, mysqld]


class MySQL(PrivateSqlServer):
    """An empty MySQL server. Its users authenticate by caching_sha2_password, with or without TLS."""

    name = "mysql"

    @property
    def environment(self) -> Mapping[str, str]:
        return dict(os.environ)

    def program(self) -> list[str | Path]:
        return mysqld_command()

    def base_command(self) -> list[str | Path]:
        share = MYSQL_ROOT / "usr/share/mysql"
        return [
            *super().base_command(),
            f"--basedir={MYSQL_ROOT}/usr",
            f"--plugin-dir={MYSQL_ROOT}/usr/lib/mysql/plugin",
            f"--lc-messages-dir={share}",
            f"--character-sets-dir={share}/charsets",
            "--mysqlx=OFF",
            "--secure-file-priv=NULL",
        ]

    def initialize_data(self) -> None:
        script = self.home / "user.sql"
        script.write_text(f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';\n")
        command = [*self.base_command(), "--initialize-insecure", f"--init-file={script}"]
        result = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"mysqld cannot initialize its data folder:\n{result.stderr[-2000:]}")


@contextmanager
def mysql_server() -> Iterator[SqlServer]:
    """Yield the server at TEST_MYSQL_URL, whose user must have all privileges, or else a private one."""
    if url := os.environ.get(MYSQL_URL_VARIABLE):
        server = SqlServer(make_url(url).set(drivername="mysql+pymysql"))
        server.execute(f"SET GLOBAL time_zone = '{NON_UTC_TIME_ZONE}'")
        yield server
        return
    with MySQL() as server:
        yield server
