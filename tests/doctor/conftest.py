"""One production installation on a database that loses nothing, in which faults are planted."""

import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.journeys.installation import Installation, installed
from tests.servers import Certificate, MariaDB
from tests.servers.process import short_folder

OPTIONS = ("--innodb-flush-log-at-trx-commit=1", "--log-bin=log", "--sync-binlog=1", "--server-id=1")
BY_A_LONGER_WAY = "127.1"  # this machine, which looks like another by this name


@pytest.fixture(scope="session")
def database_certificate() -> Certificate:
    return Certificate(names=(BY_A_LONGER_WAY,))


@pytest.fixture(scope="session")
def durable(database_certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    file = tmp_path_factory.mktemp("certificate") / "server.pem"
    database_certificate.write(file)
    with MariaDB(*OPTIONS, f"--ssl-cert={file}", f"--ssl-key={file}") as server:
        yield server


@pytest.fixture(scope="session")
def installation(durable: MariaDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Beat and the worker have had their first round."""
    with installed(durable, tmp_path_factory.mktemp("installation")) as found:
        kept = "SELECT 1 FROM scheduled_runs WHERE name = 'schedule'"
        found.worker.wait_until(lambda: found.execute(kept) == 1)
        yield found


@pytest.fixture
def empty(durable: MariaDB) -> Iterator[str]:
    """The URL of a database without tables."""
    name = f"doctor_{secrets.token_hex(4)}"
    durable.create(name)
    yield durable.url(name)
    durable.drop(name)


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine may enter."""
    folder = short_folder("doctor")
    folder.chmod(0o755)
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
