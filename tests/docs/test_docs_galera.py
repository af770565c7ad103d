"""The Galera page, tested on one server. The suite chaos-galera starts a cluster from its blocks."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text
from tests.docs.code_blocks import block, command_line_options, server_options
from tests.servers import MariaDB
from tests.servers.binaries import find_binaries

NODE_OPTIONS = block("docs/operations/galera.md", "node")


@pytest.fixture(scope="module")
def database() -> Iterator[MariaDB]:
    with MariaDB(*command_line_options(NODE_OPTIONS)) as server:
        yield server


def test_galera_page_node_options_are_accepted_by_mariadb(database: MariaDB) -> None:
    with create_engine(database.root, poolclass=NullPool).connect() as connection:
        values = {
            name: str(connection.scalar(text(f"SELECT @@GLOBAL.{name}"))) for name in server_options(NODE_OPTIONS)
        }

    assert values == dict(server_options(NODE_OPTIONS))


def test_galera_page_check_fails_outside_a_cluster(database: MariaDB, tmp_path: Path) -> None:
    database.execute(block("docs/operations/galera.md", "user").replace("10.0.0.%", "127.0.0.1"))
    (tmp_path / "galera-check.cnf").write_text(block("docs/operations/galera.md", "login"))
    check = tmp_path / "check"
    check.write_text(block("docs/operations/galera.md", "check").replace("/etc/haproxy", str(tmp_path)))
    process = subprocess.run(
        ["/bin/sh", check, "", "", "127.0.0.1", str(database.port)],
        env={**find_binaries().environment, "PATH": f"{find_binaries().mariadb_dump.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (process.returncode, process.stdout, process.stderr) == (1, "", "")


def test_galera_page_haproxy_has_one_active_node() -> None:
    lines = block("docs/operations/galera.md", "haproxy").splitlines()
    nodes = [line.split() for line in lines if line.strip().startswith("server ")]

    assert [node[-1] == "backup" for node in nodes] == [False, True, True]
    assert "    external-check command /etc/haproxy/galera-check" in lines
