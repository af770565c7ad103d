"""Running servers keep serving while the migrations of a later version extend tables that every request uses."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from tests.conftest import SECRET, sql_servers
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.e2e.scenario import PASSWORD, UserScenario
from tests.migrations import newer_version
from tests.servers import free_port

from flaskauth import migrations
from flaskauth.core.db.types import Base
from flaskauth.settings import with_driver

DOUBLINGS = 13  # about 30,000 users and sessions, so that creating an index takes time
USER_COUNT = 4
MAX_LATENCY = 3.0  # seconds; a migration waits up to one second for a table lock, and the machine is busy


@dataclass
class LoadGenerator:
    """Users who read and edit their profile and refresh their tokens until the test ends."""

    port: int
    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    is_stopped: bool = False

    def send_requests(self, user: UserScenario) -> None:
        actions: list[Callable[[], object]] = [
            lambda: user.client.get("/users/profile", user.token).expect(),
            user.refresh,
            lambda: user.client.post("/users/edit", {"first_name": "Ada"}, user.token).expect(),
            lambda: user.client.get("/health/ready").expect(),
        ]
        networks = count(1)
        while not self.is_stopped:
            user.client.use_client_ip(f"2001:db8:{next(networks):x}:{id(user) % 9999}::1")  # stay below the rate limits
            for action in actions:
                started = time.monotonic()
                try:
                    action()
                except Exception as error:  # noqa: BLE001 (the test reports every error)
                    self.errors.append(repr(error))
                self.latencies.append(time.monotonic() - started)
                time.sleep(0.02)

    @contextmanager
    def running(self, engine: Engine) -> Iterator[None]:
        users = [self._create_user(number) for number in range(USER_COUNT)]
        duplicate_rows(engine)
        threads = [threading.Thread(target=self.send_requests, args=(user,)) for user in users]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.is_stopped = True
        for thread, user in zip(threads, users, strict=True):
            thread.join()
            user.attempt_login(PASSWORD).expect()
            user.client.close()

    def _create_user(self, number: int) -> UserScenario:
        with closing(HttpClient(self.port)) as mailbox:
            user = UserScenario(HttpClient(self.port, "192.0.2.7"), mailbox.code_for, f"load-{number}@example.com")
            user.register_and_verify()
        user.login()
        return user


@pytest.fixture(params=sql_servers())
def workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    server, name = request.getfixturevalue(request.param), "while_serving"
    server.create(name)
    settings = {"SQLALCHEMY_DATABASE_URI": server.url(name), "SECRET_KEY": SECRET, "FLASKAUTH_ENV": "development"}
    yield Workspace(tmp_path, {**settings, "TRUSTED_PROXIES": "127.0.0.1"})
    server.drop(name)


@pytest.fixture
def engine(workspace: Workspace) -> Iterator[Engine]:
    engine = create_engine(with_driver(workspace.settings["SQLALCHEMY_DATABASE_URI"]))
    yield engine
    engine.dispose()


@pytest.fixture
def load_generator(workspace: Workspace, engine: Engine) -> Iterator[LoadGenerator]:
    """Generate load on a server with two processes."""
    migrations.upgrade(engine.url)
    port = free_port()
    with workspace.start("flaskauth", "serve", "--port", str(port), "--workers", "2") as server:
        with closing(HttpClient(port)) as http_client:
            server.wait_until(http_client.is_ready)
        generator = LoadGenerator(port)
        with generator.running(engine):
            yield generator


def duplicate_rows(engine: Engine) -> None:
    """Double the rows of users and sessions DOUBLINGS times."""
    for name in ("users", "sessions"):
        columns = [column.name for column in Base.metadata.tables[name].columns]
        replaced = {
            "id": "id + {}",
            "normalized_email": "CONCAT('clone-', id + {})",
            "deletion_due_at": "NULL",
            "revoked_at": "created_at",
        }
        for step in range(DOUBLINGS):
            values = ", ".join(replaced.get(column, column).format(2**step) for column in columns)
            with engine.begin() as connection:
                connection.execute(text(f"INSERT INTO {name} ({', '.join(columns)}) SELECT {values} FROM {name}"))


def test_online_migration_causes_no_errors_or_delays(
    load_generator: LoadGenerator, workspace: Workspace, engine: Engine
) -> None:
    ini = newer_version.write_newer_migrations(workspace.folder)
    first = len(load_generator.latencies)

    workspace.run("alembic", "-c", str(ini), "upgrade", "head")
    time.sleep(1)

    assert load_generator.errors == []
    assert len(load_generator.latencies) - first > 20
    assert max(load_generator.latencies[first:]) < MAX_LATENCY
    assert migrations.current_revision(engine.url) == newer_version.NEWEST_REVISION
    assert "ix_sessions_colour" in {index["name"] for index in inspect(engine).get_indexes("sessions")}


def test_online_migration_waiting_for_a_table_blocks_no_request(
    load_generator: LoadGenerator, workspace: Workspace, engine: Engine
) -> None:
    """A long report or a backup holds the table."""
    ini = newer_version.write_newer_migrations(workspace.folder)
    with engine.connect() as report:
        report.execute(text("SELECT COUNT(*) FROM users"))
        with workspace.start("alembic", "-c", str(ini), "upgrade", "head") as upgrade:
            upgrade.wait_for_output("A transaction holds a table")
            first = len(load_generator.latencies)
            time.sleep(6)
            latencies = load_generator.latencies[first:]
            assert migrations.current_revision(engine.url) == migrations.head()
            report.rollback()
            upgrade.wait_until(lambda: migrations.current_revision(engine.url) == newer_version.NEWEST_REVISION)

    assert load_generator.errors == []
    assert len(latencies) > 20
    assert max(latencies) < MAX_LATENCY
