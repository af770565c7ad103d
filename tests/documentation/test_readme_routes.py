"""The README's routes beside ours, pasted as they stand."""

from contextlib import closing
from pathlib import Path

from tests.documentation.blocks import block
from tests.journeys.processes import Place
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor
from tests.servers import free_port


def test_they_are_served_and_guarded(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(block("README.md", "routes"))
    port = free_port()
    with (
        Place(tmp_path).start("flask", "--app", "app", "run", "--port", str(port)) as server,
        closing(Visitor(port)) as visitor,
    ):
        server.wait_until(visitor.is_ready)
        person = Traveller(visitor, visitor.code_for, "grace@example.com")
        person.join()
        person.sign_in()

        assert visitor.get("/orders", person.token).expect() == {"orders": [], "of": "grace@example.com"}
        assert visitor.get("/orders").expect(401)["code"] == "invalid_token"
