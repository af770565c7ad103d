"""The browser page: a server with the origins of the page responds to its preflight requests as shown."""

from pathlib import Path

from tests.docs.code_blocks import block
from tests.docs.shell import serve_workspace
from tests.e2e.processes import Workspace


def test_browser_page_cors_preflight_matches_its_origins(tmp_path: Path) -> None:
    name, origins = block("docs/how-to/call-from-a-browser.md", "origins").removeprefix("export ").strip().split("=")
    with serve_workspace(Workspace(tmp_path, {name: origins})) as (shell, _):
        allowed, other = shell.paste(block("docs/how-to/call-from-a-browser.md", "preflight")).splitlines()

    assert allowed.lower().strip() == "access-control-allow-origin: https://app.example.com"
    assert other == "nothing for https://other.example.com"
