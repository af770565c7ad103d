"""examples/mounted: a host application with the server mounted under a prefix."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from tests.docs.code_blocks import block
from tests.e2e.scenario import UserScenario
from tests.examples.helpers import Example, PrefixedClient


@pytest.fixture
def shop(tmp_path: Path) -> Example:
    return Example("mounted", tmp_path)


@pytest.fixture
def prefixed_client(shop: Example) -> Iterator[PrefixedClient]:
    with shop.serve_block(block("examples/mounted/README.md", "start"), prefix="/accounts") as client:
        yield client


def test_mounted_example_readme_works_as_typed(shop: Example, prefixed_client: PrefixedClient) -> None:
    output = shop.run_block(block("examples/mounted/README.md", "order")).splitlines()

    welcome, ordered, orders, logout, error = [line for line in output if line][-5:]
    assert welcome == "<h1>Welcome, Grace!</h1>"
    assert json.loads(ordered) == {"id": 1}
    assert json.loads(orders) == {"of": "grace@example.com", "orders": ["a kettle"]}
    assert json.loads(logout)["success"] is True
    assert json.loads(error)["code"] == "invalid_token"


def test_mounted_example_full_scenario_under_prefix(prefixed_client: PrefixedClient) -> None:
    UserScenario(prefixed_client, prefixed_client.code_for, "grace@example.com").run_full_scenario()


def test_mounted_example_route_requires_auth_until_logout(prefixed_client: PrefixedClient) -> None:
    user = UserScenario(prefixed_client, prefixed_client.code_for, "grace@example.com")
    user.register_and_verify()
    user.login()

    assert prefixed_client.host_client.get("/orders").expect(401)["message"] == "Authorization token required"
    assert prefixed_client.host_client.get("/orders", user.token).expect()["of"] == "grace@example.com"
    user.logout()
    assert prefixed_client.host_client.get("/orders", user.token).expect(401)["code"] == "invalid_token"


def test_mounted_example_databases_are_separate(shop: Example, prefixed_client: PrefixedClient) -> None:
    tables = {}
    for name in ("shop", "flaskauth"):
        engine = create_engine(f"sqlite:///{shop.folder}/instance/{name}.db")
        tables[name] = set(inspect(engine).get_table_names())
        engine.dispose()

    assert tables["shop"] == {"orders"}
    assert "users" in tables["flaskauth"]
    assert "orders" not in tables["flaskauth"]
