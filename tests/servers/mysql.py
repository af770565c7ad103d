"""MySQL itself, not MariaDB: unpacked into the project by `python -m tests.servers install-mysql`."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url
from tests.servers.binaries import OWN, Missing
from tests.servers.sql import FAR_FROM_UTC, PASSWORD, USER, PrivateSqlServer, SqlServer

MYSQL = OWN.parent / "mysql"
GIVEN = "TEST_MYSQL_URL"


def program(root: Path = MYSQL) -> list[str | Path]:
    """The words that run it: with the libraries and the loader that came with it, so on an older system too."""
    mysqld, loader = root / "usr/sbin/mysqld", next(root.glob("usr/lib/*-linux-*/ld-*.so.*"), None)
    if loader is None or not mysqld.exists():
        raise Missing("MySQL is not here: `make test-mysql` brings it.")
    return [loader, "--library-path", loader.parent, "--argv0", mysqld, mysqld]


class MySQL(PrivateSqlServer):
    """An empty MySQL, whose users sign in by caching_sha2_password, over TLS or without."""

    name = "mysql"

    @property
    def environment(self) -> Mapping[str, str]:
        return dict(os.environ)

    def program(self) -> list[str | Path]:
        return program()

    def basics(self) -> list[str | Path]:
        share = MYSQL / "usr/share/mysql"
        return [
            *super().basics(),
            f"--basedir={MYSQL}/usr",
            f"--plugin-dir={MYSQL}/usr/lib/mysql/plugin",
            f"--lc-messages-dir={share}",
            f"--character-sets-dir={share}/charsets",
            "--mysqlx=OFF",
            "--secure-file-priv=NULL",
        ]

    def fill(self) -> None:
        script = self.home / "user.sql"
        script.write_text(f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';\n")
        made = [*self.basics(), "--initialize-insecure", f"--init-file={script}"]
        done = subprocess.run(made, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"mysqld could not fill its data folder:\n{done.stderr[-2000:]}")


@contextmanager
def mysql_server() -> Iterator[SqlServer]:
    """The server that TEST_MYSQL_URL names, whose user may do everything there; else one of its own."""
    if given := os.environ.get(GIVEN):
        server = SqlServer(make_url(given).set(drivername="mysql+pymysql"))
        server.execute(f"SET GLOBAL time_zone = '{FAR_FROM_UTC}'")
        yield server
        return
    with MySQL() as own:
        yield own
