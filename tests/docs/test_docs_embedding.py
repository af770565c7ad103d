"""The embedding page: its excerpts are in the examples that tests/examples runs, and its commands run."""

import json
import shlex
from contextlib import closing
from pathlib import Path

import pytest
from tests.docs.code_blocks import ROOT, block
from tests.e2e.http_client import HttpClient
from tests.e2e.scenario import UserScenario
from tests.examples.helpers import Example

EXCERPTS = {
    "extended/bookshop/app.py": [block("docs/how-to/embed-in-a-flask-app.md", "app")],
    "extended/bookshop/models.py": [block("docs/how-to/embed-in-a-flask-app.md", "models")],
    "extended/bookshop/orders.py": [
        block("docs/how-to/embed-in-a-flask-app.md", "orders"),
        block("docs/how-to/embed-in-a-flask-app.md", "order"),
    ],
    "extended/migrations/env.py": [block("docs/how-to/embed-in-a-flask-app.md", "env")],
    "mounted/shop.py": [
        block("docs/how-to/embed-in-a-flask-app.md", "mounted"),
        block("docs/how-to/embed-in-a-flask-app.md", "guarded"),
    ],
}


@pytest.mark.parametrize(("example", "excerpts"), EXCERPTS.items(), ids=EXCERPTS)
def test_embedding_page_excerpts_are_in_the_example(example: str, excerpts: list[str]) -> None:
    text = (ROOT / "examples" / example).read_text()

    assert [excerpt for excerpt in excerpts if excerpt not in text] == []


def test_embedding_page_commands_migrate_and_serve(tmp_path: Path) -> None:
    bookshop = Example("extended", tmp_path)
    bookshop.run_block(block("docs/how-to/embed-in-a-flask-app.md", "migrate"))
    processes, serve = (
        bookshop.with_own_ports(block("docs/how-to/embed-in-a-flask-app.md", "serve")).strip().splitlines()
    )
    name, _, count = processes.removeprefix("export ").partition("=")
    workspace = bookshop.workspace.with_settings(**{name: count})
    with (
        workspace.start(*shlex.split(serve)) as server,
        closing(HttpClient(int(bookshop.ports[":8000"][1:]))) as http_client,
    ):
        server.wait_until(http_client.is_ready).wait_for_output(
            f"Started worker-{count}"
        )  # a process that is still starting ignores SIGTERM
        assert len(server.children()) == int(count)
        user = UserScenario(http_client, http_client.code_for, "grace@example.com")
        user.register_and_verify()
        user.login()
        http_client.post("/orders", {"title": "Compilers"}, user.token).expect(201)
        paths = http_client.get("/openapi.json").expect()["paths"]

        assert json.dumps(http_client.get("/orders", user.token).expect()).count("Compilers") == 1
        assert "/orders" not in paths
        assert server.terminate() in {0, -15}
