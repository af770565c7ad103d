"""The README's application code runs unchanged."""

from contextlib import closing
from pathlib import Path

from tests.docs.code_blocks import block
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.e2e.scenario import UserScenario
from tests.servers import free_port


def test_readme_routes_are_served_and_guarded(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(block("README.md", "routes"))
    port = free_port()
    with (
        Workspace(tmp_path).start("flask", "--app", "app", "run", "--port", str(port)) as server,
        closing(HttpClient(port)) as http_client,
    ):
        server.wait_until(http_client.is_ready)
        user = UserScenario(http_client, http_client.code_for, "grace@example.com")
        user.register_and_verify()
        user.login()

        assert http_client.get("/orders", user.token).expect() == {"orders": [], "of": "grace@example.com"}
        assert http_client.get("/orders").expect(401)["code"] == "invalid_token"
