"""examples/extended: routes and a table of one's own beside ours."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import databases
from tests.documentation.blocks import block
from tests.examples.reading import Example
from tests.journeys.travellers import Traveller
from tests.servers import SqlServer

from flaskauth import migrations

MODELS = "bookshop/models.py"
TITLE = "    title: Mapped[str] = mapped_column(String(200))\n"
NOTE = "    note: Mapped[str | None] = mapped_column(String(50))\n"


@pytest.fixture(params=databases())
def bookshop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Example]:
    """The example on each database."""
    if request.param == "sqlite":
        yield Example("extended", tmp_path)
        return
    server: SqlServer = request.getfixturevalue(request.param)
    name = f"bookshop_{secrets.token_hex(4)}"
    server.create(name)
    yield Example("extended", tmp_path, SQLALCHEMY_DATABASE_URI=server.url(name), FLASKAUTH_ENV="development")
    server.drop(name)


@pytest.mark.parametrize("bookshop", ["sqlite"], indirect=True)
def test_the_readme_works_as_typed(bookshop: Example) -> None:
    with bookshop.served(block("examples/extended/README.md", "start")):
        said = bookshop.type(block("examples/extended/README.md", "order")).splitlines()

    ordered, orders, refused = map(json.loads, said[-3:])
    assert (ordered["title"], ordered["for"]) == ("The Education of a Computer", "grace@example.com")
    assert orders == {"orders": [{"id": ordered["id"], "title": ordered["title"]}]}
    assert refused["code"] == "invalid_token"


def test_people_see_their_own_orders_and_refusals_have_our_shape(bookshop: Example) -> None:
    with bookshop.served(block("examples/extended/README.md", "start")) as guest:
        grace, ada = (Traveller(guest, guest.code_for, f"{name}@example.com") for name in ("grace", "ada"))
        for person in (grace, ada):
            person.join()
            person.sign_in()
        guest.post("/orders", {"title": "Compilers"}, grace.token).expect(201)

        assert [order["title"] for order in guest.get("/orders", grace.token).expect()["orders"]] == ["Compilers"]
        assert guest.get("/orders", ada.token).expect() == {"orders": []}
        assert guest.get("/welcome", ada.token).expect() == {"message": "Welcome, Grace!"}
        assert guest.get("/welcome").expect() == {"message": "Welcome, stranger!"}
        assert guest.get("/health/ready").expect()["checks"]["schema"]["ok"] is True
        assert guest.post("/orders", {}, ada.token).expect(422)["code"] == "title_missing"
        assert guest.post("/orders", {"title": "Notes"}, "nonsense").expect(401)["code"] == "invalid_token"


def test_a_changed_model_becomes_one_migration_that_leaves_ours_alone(bookshop: Example) -> None:
    *migrate, _serve = block("examples/extended/README.md", "start").strip().splitlines()
    for command in migrate:
        bookshop.type(command)
    assert _changes(bookshop, "nothing") == ["pass", "pass"]

    models = bookshop.folder / MODELS
    models.write_text(models.read_text().replace(TITLE, TITLE + NOTE))
    bookshop.type("alembic upgrade head")
    added = _changes(bookshop, "what changed", block("examples/extended/README.md", "change"))
    assert len(added) in {2, 4}  # SQLite's are in a batch
    assert "add_column" in " ".join(added)
    assert "drop_table" not in " ".join(added)

    bookshop.type("alembic downgrade base")
    assert f"revision {migrations.head()}." in bookshop.type("flaskauth db upgrade")


def _changes(bookshop: Example, title: str, text: str = "alembic revision --autogenerate -m 'nothing'") -> list[str]:
    """What the revision of this title does, up and down."""
    bookshop.type(text)
    [written] = (bookshop.folder / "migrations" / "versions").glob(f"*_{title.replace(' ', '_')}.py")
    lines = [line.strip() for line in written.read_text().splitlines()]
    return [line for line in lines if line == "pass" or "op." in line]
