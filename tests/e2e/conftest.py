"""A production installation that all tests of a session share, with HTTP clients and new users."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from tests.conftest import sql_servers
from tests.e2e.http_client import CLIENT_IPS, HttpClient
from tests.e2e.installation import Installation, run_installation
from tests.e2e.scenario import UserScenario

Connect = Callable[[], HttpClient]
NewUser = Callable[[], UserScenario]

USER_NUMBERS = count(1)


@pytest.fixture(scope="session", params=sql_servers())
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with run_installation(request.getfixturevalue(request.param), tmp_path_factory.mktemp("installation")) as running:
        yield running


@pytest.fixture
def connect(installation: Installation) -> Iterator[Connect]:
    """Open HTTP clients, each from a different network."""
    http_clients: list[HttpClient] = []

    def open_client() -> HttpClient:
        http_clients.append(HttpClient(installation.port, next(CLIENT_IPS)))
        return http_clients[-1]

    yield open_client
    for http_client in http_clients:
        http_client.close()


@pytest.fixture
def new_user(installation: Installation, connect: Connect) -> NewUser:
    """Create users with unused email addresses, each on a new client."""
    return lambda: UserScenario(connect(), installation.wait_for_code, f"user-{next(USER_NUMBERS)}@example.com")
