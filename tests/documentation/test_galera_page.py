"""docs/galera.md, as far as one server tells; `make faults-galera` starts three nodes and haproxy from its blocks."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text
from tests.documentation.blocks import as_words, block, options
from tests.servers import MariaDB
from tests.servers.binaries import binaries

NODE = block("docs/galera.md", "node")


@pytest.fixture(scope="module")
def database() -> Iterator[MariaDB]:
    with MariaDB(*as_words(NODE)) as found:
        yield found


def test_a_database_understands_the_options_of_a_node(database: MariaDB) -> None:
    with create_engine(database.root, poolclass=NullPool).connect() as connection:
        found = {name: str(connection.scalar(text(f"SELECT @@GLOBAL.{name}"))) for name in options(NODE)}

    assert found == dict(options(NODE))


def test_the_check_gets_in_and_lets_nobody_to_a_database_that_is_in_no_cluster(
    database: MariaDB, tmp_path: Path
) -> None:
    database.execute(block("docs/galera.md", "user").replace("10.0.0.%", "127.0.0.1"))
    (tmp_path / "galera-check.cnf").write_text(block("docs/galera.md", "login"))
    check = tmp_path / "check"
    check.write_text(block("docs/galera.md", "check").replace("/etc/haproxy", str(tmp_path)))
    done = subprocess.run(
        ["/bin/sh", check, "", "", "127.0.0.1", str(database.port)],
        env={**binaries().environment, "PATH": f"{binaries().mariadb_dump.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_one_node_is_written_to_and_the_others_stand_by() -> None:
    lines = block("docs/galera.md", "haproxy").splitlines()
    nodes = [line.split() for line in lines if line.strip().startswith("server ")]

    assert [node[-1] == "backup" for node in nodes] == [False, True, True]
    assert "    external-check command /etc/haproxy/galera-check" in lines
