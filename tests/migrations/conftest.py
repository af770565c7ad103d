"""Databases without tables."""

import secrets
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from tests.conftest import databases

from flaskauth.settings import with_driver


@pytest.fixture(params=databases())
def empties(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Gives URLs of databases without tables, all on one server."""
    numbers = count(1)
    if request.param == "sqlite":
        yield lambda: f"sqlite:///{tmp_path}/history{next(numbers)}.db"
        return
    server, made = request.getfixturevalue(request.param), list[str]()

    def make() -> str:
        made.append(f"history_{secrets.token_hex(4)}")
        server.create(made[-1])
        return str(server.url(made[-1]))

    yield make
    for name in made:
        server.drop(name)


@pytest.fixture
def empty(empties: Callable[[], str]) -> str:
    return empties()


@pytest.fixture
def fresh(empties: Callable[[], str]) -> Iterator[Callable[[], Engine]]:
    """More of them."""
    made: list[Engine] = []

    def make() -> Engine:
        made.append(create_engine(with_driver(empties())))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def engine(fresh: Callable[[], Engine]) -> Engine:
    return fresh()
