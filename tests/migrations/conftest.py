"""Empty databases."""

import secrets
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from tests.conftest import databases

from flaskauth.settings import with_driver


@pytest.fixture(params=databases())
def empty_databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Return a function that creates empty databases on one server and returns their URLs."""
    numbers = count(1)
    if request.param == "sqlite":
        yield lambda: f"sqlite:///{tmp_path}/history{next(numbers)}.db"
        return
    server, names = request.getfixturevalue(request.param), list[str]()

    def make() -> str:
        names.append(f"history_{secrets.token_hex(4)}")
        server.create(names[-1])
        return str(server.url(names[-1]))

    yield make
    for name in names:
        server.drop(name)


@pytest.fixture
def empty_database(empty_databases: Callable[[], str]) -> str:
    return empty_databases()


@pytest.fixture
def new_engine(empty_databases: Callable[[], str]) -> Iterator[Callable[[], Engine]]:
    """Return a function that creates engines on empty databases."""
    engines: list[Engine] = []

    def make() -> Engine:
        engines.append(create_engine(with_driver(empty_databases())))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


@pytest.fixture
def engine(new_engine: Callable[[], Engine]) -> Engine:
    return new_engine()
