"""examples/extended: an application adds its own routes and table to the server."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import databases
from tests.docs.code_blocks import block
from tests.e2e.scenario import UserScenario
from tests.examples.helpers import Example
from tests.servers import SqlServer

from flaskauth import migrations

MODELS = "bookshop/models.py"
TITLE = "    title: Mapped[str] = mapped_column(String(200))\n"
NOTE = "    note: Mapped[str | None] = mapped_column(String(50))\n"


@pytest.fixture(params=databases()[:1])
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
def test_extended_example_readme_works_as_typed(bookshop: Example) -> None:
    with bookshop.serve_block(block("examples/extended/README.md", "start")):
        lines = bookshop.run_block(block("examples/extended/README.md", "order")).splitlines()

    ordered, orders, error = map(json.loads, lines[-3:])
    assert (ordered["title"], ordered["for"]) == ("The Education of a Computer", "grace@example.com")
    assert orders == {"orders": [{"id": ordered["id"], "title": ordered["title"]}]}
    assert error["code"] == "invalid_token"


def test_extended_example_orders_are_per_user(bookshop: Example) -> None:
    with bookshop.serve_block(block("examples/extended/README.md", "start")) as client:
        grace, ada = (UserScenario(client, client.code_for, f"{name}@example.com") for name in ("grace", "ada"))
        for user in (grace, ada):
            user.register_and_verify()
            user.login()
        client.post("/orders", {"title": "Compilers"}, grace.token).expect(201)

        assert [order["title"] for order in client.get("/orders", grace.token).expect()["orders"]] == ["Compilers"]
        assert client.get("/orders", ada.token).expect() == {"orders": []}
        assert client.get("/welcome", ada.token).expect() == {"message": "Welcome, Grace!"}
        assert client.get("/welcome").expect() == {"message": "Welcome, guest!"}
        assert client.get("/health/ready").expect()["checks"]["schema"]["ok"] is True
        assert client.post("/orders", {}, ada.token).expect(422)["code"] == "title_missing"
        assert client.post("/orders", {"title": "Notes"}, "nonsense").expect(401)["code"] == "invalid_token"


def test_extended_example_model_change_makes_one_migration(bookshop: Example) -> None:
    *migrate, _serve = block("examples/extended/README.md", "start").strip().splitlines()
    for command in migrate:
        bookshop.run_block(command)
    assert _migration_operations(bookshop, "nothing") == ["pass", "pass"]

    models = bookshop.folder / MODELS
    models.write_text(models.read_text().replace(TITLE, TITLE + NOTE))
    bookshop.run_block("alembic upgrade head")
    added = _migration_operations(bookshop, "what changed", block("examples/extended/README.md", "change"))
    assert len(added) in {2, 4}  # SQLite uses batch operations
    assert "add_column" in " ".join(added)
    assert "drop_table" not in " ".join(added)

    bookshop.run_block("alembic downgrade base")
    assert f"revision {migrations.head()}." in bookshop.run_block("flaskauth db upgrade")


def _migration_operations(
    bookshop: Example, title: str, text: str = "alembic revision --autogenerate -m 'nothing'"
) -> list[str]:
    """Run the commands and return the operations of the new revision, upgrade and downgrade."""
    bookshop.run_block(text)
    [path] = (bookshop.folder / "migrations" / "versions").glob(f"*_{title.replace(' ', '_')}.py")
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line == "pass" or "op." in line]
