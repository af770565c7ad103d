"""A production installation on a durable database, in which the tests introduce faults."""

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.installation import Installation, run_installation
from tests.servers import Certificate, MariaDB
from tests.servers.process import short_temp_folder

DURABLE_OPTIONS = ("--innodb-flush-log-at-trx-commit=1", "--log-bin=log", "--sync-binlog=1", "--server-id=1")
REMOTE_LOOKING_HOST = "127.1"  # this machine, under a name that does not look local


@pytest.fixture(scope="session")
def database_certificate() -> Certificate:
    return Certificate(names=(REMOTE_LOOKING_HOST,))


@pytest.fixture(scope="session")
def durable_mariadb(database_certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    file = tmp_path_factory.mktemp("certificate") / "server.pem"
    database_certificate.write(file)
    with MariaDB(*DURABLE_OPTIONS, f"--ssl-cert={file}", f"--ssl-key={file}") as server:
        yield server


@pytest.fixture(scope="session")
def installation(durable_mariadb: MariaDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose scheduler and worker have run once."""
    with run_installation(durable_mariadb, tmp_path_factory.mktemp("installation")) as running:
        has_run = "SELECT 1 FROM scheduled_runs WHERE name = 'schedule'"
        running.worker.wait_until(lambda: running.execute_sql(has_run) == 1)
        yield running


@pytest.fixture
def empty_database_url(durable_mariadb: MariaDB) -> Iterator[str]:
    """The URL of a database without tables."""
    name = f"doctor_{secrets.token_hex(4)}"
    durable_mariadb.create(name)
    yield durable_mariadb.url(name)
    durable_mariadb.drop(name)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """The port of a server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def world_readable_folder() -> Iterator[Path]:
    """A folder that every user of the machine may enter."""
    folder = short_temp_folder("doctor")
    folder.chmod(0o755)
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
