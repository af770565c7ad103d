"""The embedding page: its excerpts are in the examples that tests/examples runs, and its commands run."""

import json
import shlex
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from tests.docs.code_blocks import ROOT, block
from tests.e2e.http_client import HttpClient
from tests.e2e.scenario import UserScenario
from tests.examples.helpers import Example

FILES = {
    "extended/bookshop/app.py": block("docs/how-to/embed-in-a-flask-app.md", "app"),
    "extended/bookshop/models.py": block("docs/how-to/embed-in-a-flask-app.md", "models"),
    "extended/bookshop/orders.py": block("docs/how-to/embed-in-a-flask-app.md", "orders"),
    "extended/alembic.ini": block("docs/how-to/embed-in-a-flask-app.md", "alembic"),
    "extended/migrations/env.py": block("docs/how-to/embed-in-a-flask-app.md", "env"),
    "extended/migrations/script.py.mako": block("docs/how-to/embed-in-a-flask-app.md", "script"),
    "mounted/shop.py": block("docs/how-to/embed-in-a-flask-app.md", "mounted"),
}


@pytest.mark.parametrize(("file", "text"), FILES.items(), ids=FILES)
def test_embedding_page_shows_the_whole_file(file: str, text: str) -> None:
    page = (ROOT / "docs/how-to/embed-in-a-flask-app.md").read_text()

    assert text == (ROOT / "examples" / file).read_text()
    assert f"`{file.partition('/')[2]}`" in page


def test_embedding_page_commands_migrate_and_serve(tmp_path: Path) -> None:
    bookshop = Example("extended", tmp_path)
    versions = bookshop.folder / "migrations/versions"
    shutil.rmtree(versions)
    bookshop.run_block(block("docs/how-to/embed-in-a-flask-app.md", "revision"))
    [revision] = versions.glob("*_orders.py")
    assert "op.create_table('orders'" in revision.read_text()
    assert "'users'" not in revision.read_text()
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
