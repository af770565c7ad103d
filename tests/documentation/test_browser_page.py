"""The page on calls from a browser: a server with its origins answers its preflights as it shows."""

from pathlib import Path

from tests.documentation.blocks import block
from tests.documentation.shells import serving
from tests.journeys.processes import Place


def test_its_origins_may_call_and_no_other(tmp_path: Path) -> None:
    name, origins = block("docs/browser.md", "origins").removeprefix("export ").strip().split("=")
    with serving(Place(tmp_path, {name: origins})) as (shell, _):
        named, other = shell.paste(block("docs/browser.md", "preflight")).splitlines()

    assert named.lower().strip() == "access-control-allow-origin: https://app.example.com"
    assert other == "nothing for https://other.example.com"
