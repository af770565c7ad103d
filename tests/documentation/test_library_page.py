"""The page on one's own app shows excerpts of the examples that tests/examples runs, and its commands are run here."""

import json
import shlex
from contextlib import closing
from pathlib import Path

import pytest
from tests.documentation.blocks import ROOT, block
from tests.examples.reading import Example
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor

EXCERPTS = {
    "extended/bookshop/app.py": [block("docs/library.md", "app")],
    "extended/bookshop/models.py": [block("docs/library.md", "models")],
    "extended/bookshop/orders.py": [block("docs/library.md", "orders"), block("docs/library.md", "order")],
    "extended/migrations/env.py": [block("docs/library.md", "env")],
    "mounted/shop.py": [block("docs/library.md", "mounted"), block("docs/library.md", "guarded")],
}


@pytest.mark.parametrize(("example", "shown"), EXCERPTS.items(), ids=EXCERPTS)
def test_what_it_shows_stands_in_the_example(example: str, shown: list[str]) -> None:
    text = (ROOT / "examples" / example).read_text()

    assert [excerpt for excerpt in shown if excerpt not in text] == []


def test_it_is_migrated_and_served_by_its_commands(tmp_path: Path) -> None:
    bookshop = Example("extended", tmp_path)
    bookshop.type(block("docs/library.md", "migrate"))
    processes, serve = bookshop.moved(block("docs/library.md", "serve")).strip().splitlines()
    name, _, count = processes.removeprefix("export ").partition("=")
    place = bookshop.place.having(**{name: count})
    with (
        place.start(*shlex.split(serve)) as server,
        closing(Visitor(int(bookshop.ports[":8000"][1:]))) as visitor,
    ):
        server.wait_until(visitor.is_ready).wait_for(
            f"Started worker-{count}"
        )  # one that is just starting heeds no SIGTERM
        assert len(server.children()) == int(count)
        person = Traveller(visitor, visitor.code_for, "grace@example.com")
        person.join()
        person.sign_in()
        visitor.post("/orders", {"title": "Compilers"}, person.token).expect(201)
        described = visitor.get("/openapi.json").expect()["paths"]

        assert json.dumps(visitor.get("/orders", person.token).expect()).count("Compilers") == 1
        assert "/orders" not in described
        assert server.end() in {0, -15}
