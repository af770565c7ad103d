"""examples/mounted: a site of one's own, with the server under a prefix of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from tests.documentation.blocks import block
from tests.examples.reading import Example, Guest
from tests.journeys.travellers import Traveller


@pytest.fixture
def shop(tmp_path: Path) -> Example:
    return Example("mounted", tmp_path)


@pytest.fixture
def guest(shop: Example) -> Iterator[Guest]:
    with shop.served(block("examples/mounted/README.md", "start"), prefix="/accounts") as guest:
        yield guest


def test_the_readme_works_as_typed(shop: Example, guest: Guest) -> None:
    said = shop.type(block("examples/mounted/README.md", "order")).splitlines()

    welcome, ordered, orders, out, refused = [line for line in said if line][-5:]
    assert welcome == "<h1>Welcome, Grace!</h1>"
    assert json.loads(ordered) == {"id": 1}
    assert json.loads(orders) == {"of": "grace@example.com", "orders": ["a kettle"]}
    assert json.loads(out)["success"] is True
    assert json.loads(refused)["code"] == "invalid_token"


def test_the_whole_journey_works_under_the_prefix(guest: Guest) -> None:
    Traveller(guest, guest.code_for, "grace@example.com").go_all_the_way()


def test_a_guard_of_the_shop_lets_people_in_until_their_session_ends(guest: Guest) -> None:
    person = Traveller(guest, guest.code_for, "grace@example.com")
    person.join()
    person.sign_in()

    assert guest.site.get("/orders").expect(401)["message"] == "Authorization token required"
    assert guest.site.get("/orders", person.token).expect()["of"] == "grace@example.com"
    person.sign_out()
    assert guest.site.get("/orders", person.token).expect(401)["code"] == "invalid_token"


def test_the_databases_are_apart(shop: Example, guest: Guest) -> None:
    tables = {}
    for name in ("shop", "flaskauth"):
        engine = create_engine(f"sqlite:///{shop.folder}/instance/{name}.db")
        tables[name] = set(inspect(engine).get_table_names())
        engine.dispose()

    assert tables["shop"] == {"orders"}
    assert "users" in tables["flaskauth"]
    assert "orders" not in tables["flaskauth"]
