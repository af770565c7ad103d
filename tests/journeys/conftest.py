"""One production installation for all of its journeys, and people who visit it."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from tests.conftest import servers
from tests.journeys.installation import Installation, installed
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import NETWORKS, Visitor

Visit = Callable[[], Visitor]
Meet = Callable[[], Traveller]

NUMBERS = count(1)


@pytest.fixture(scope="session", params=servers())
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(request.getfixturevalue(request.param), tmp_path_factory.mktemp("installation")) as found:
        yield found


@pytest.fixture
def visit(installation: Installation) -> Iterator[Visit]:
    """Somebody on a network of their own."""
    visitors: list[Visitor] = []

    def come() -> Visitor:
        visitors.append(Visitor(installation.port, next(NETWORKS)))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.close()


@pytest.fixture
def meet(installation: Installation, visit: Visit) -> Meet:
    """Somebody who has not been here before."""
    return lambda: Traveller(visit(), installation.code_for, f"person-{next(NUMBERS)}@example.com")
