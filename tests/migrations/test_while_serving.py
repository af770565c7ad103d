"""Servers of this version serve on while a later one adds to the tables that every request uses."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from tests.conftest import SECRET, servers
from tests.journeys.processes import Place
from tests.journeys.travellers import PASSWORD, Traveller
from tests.journeys.visitors import Visitor
from tests.migrations import newer
from tests.servers import free_port

from flaskauth import migrations
from flaskauth.foundation.columns import Base
from flaskauth.settings import with_driver

DOUBLED = 13  # times: some 30,000 people and sessions, so that an index takes a moment
PEOPLE = 4
NOTICED = 3.0  # seconds; a change waits one for a table, and the machine has other things to do


@dataclass
class Crowd:
    """People who look, refresh and edit until they are told to go home."""

    port: int
    times: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    goes_home: bool = False

    def live(self, person: Traveller) -> None:
        deeds: list[Callable[[], object]] = [
            lambda: person.visitor.get("/users/profile", person.token).expect(),
            person.refresh,
            lambda: person.visitor.post("/users/edit", {"first_name": "Ada"}, person.token).expect(),
            lambda: person.visitor.get("/health/ready").expect(),
        ]
        networks = count(1)
        while not self.goes_home:
            person.visitor.from_network(f"2001:db8:{next(networks):x}:{id(person) % 9999}::1")  # no limit is in the way
            for deed in deeds:
                began = time.monotonic()
                try:
                    deed()
                except Exception as error:  # noqa: BLE001 (whatever it is, the test is to tell it)
                    self.faults.append(repr(error))
                self.times.append(time.monotonic() - began)
                time.sleep(0.02)

    @contextmanager
    def out_and_about(self, engine: Engine) -> Iterator[None]:
        people = [self._joined(number) for number in range(PEOPLE)]
        grow(engine)
        threads = [threading.Thread(target=self.live, args=(person,)) for person in people]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.goes_home = True
        for thread, person in zip(threads, people, strict=True):
            thread.join()
            person.try_password(PASSWORD).expect()
            person.visitor.close()

    def _joined(self, number: int) -> Traveller:
        with closing(Visitor(self.port)) as mailbox:
            person = Traveller(Visitor(self.port, "192.0.2.7"), mailbox.code_for, f"crowd-{number}@example.com")
            person.join()
        person.sign_in()
        return person


@pytest.fixture(params=servers())
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    server, name = request.getfixturevalue(request.param), "while_serving"
    server.create(name)
    settings = {"SQLALCHEMY_DATABASE_URI": server.url(name), "SECRET_KEY": SECRET, "FLASKAUTH_ENV": "development"}
    yield Place(tmp_path, {**settings, "TRUSTED_PROXIES": "127.0.0.1"})
    server.drop(name)


@pytest.fixture
def engine(place: Place) -> Iterator[Engine]:
    found = create_engine(with_driver(place.settings["SQLALCHEMY_DATABASE_URI"]))
    yield found
    found.dispose()


@pytest.fixture
def crowd(place: Place, engine: Engine) -> Iterator[Crowd]:
    """In front of a server of two processes."""
    migrations.upgrade(engine.url)
    port = free_port()
    with place.start("flaskauth", "serve", "--port", str(port), "--workers", "2") as server:
        with closing(Visitor(port)) as visitor:
            server.wait_until(visitor.is_ready)
        found = Crowd(port)
        with found.out_and_about(engine):
            yield found


def grow(engine: Engine) -> None:
    """Everybody there is, once more, and again."""
    for name in ("users", "sessions"):
        columns = [column.name for column in Base.metadata.tables[name].columns]
        other = {"id": "id + {}", "address": "CONCAT('clone-', id + {})", "closes_at": "NULL", "ended_at": "created_at"}
        for step in range(DOUBLED):
            chosen = ", ".join(other.get(column, column).format(2**step) for column in columns)
            with engine.begin() as connection:
                connection.execute(text(f"INSERT INTO {name} ({', '.join(columns)}) SELECT {chosen} FROM {name}"))


def test_nobody_notices_a_migration(crowd: Crowd, place: Place, engine: Engine) -> None:
    ini = newer.written(place.folder)
    began = len(crowd.times)

    place.run("alembic", "-c", str(ini), "upgrade", "head")
    time.sleep(1)

    assert crowd.faults == []
    assert len(crowd.times) - began > 20
    assert max(crowd.times[began:]) < NOTICED
    assert migrations.revision(engine.url) == newer.NEWEST
    assert "ix_sessions_colour" in {index["name"] for index in inspect(engine).get_indexes("sessions")}


def test_nobody_queues_behind_a_change_that_waits_for_a_table(crowd: Crowd, place: Place, engine: Engine) -> None:
    """As a report that reads for long, or a backup, holds it."""
    ini = newer.written(place.folder)
    with engine.connect() as report:
        report.execute(text("SELECT COUNT(*) FROM users"))
        with place.start("alembic", "-c", str(ini), "upgrade", "head") as upgrade:
            upgrade.wait_for("A transaction holds a table")
            began = len(crowd.times)
            time.sleep(6)
            seen = crowd.times[began:]
            assert migrations.revision(engine.url) == migrations.head()
            report.rollback()
            upgrade.wait_until(lambda: migrations.revision(engine.url) == newer.NEWEST)

    assert crowd.faults == []
    assert len(seen) > 20
    assert max(seen) < NOTICED
