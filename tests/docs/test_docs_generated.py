"""Generated pages are up to date, links resolve, and the Sphinx site builds without warnings."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from docs.generate import PAGES, render
from flask.testing import FlaskClient
from tests.docs.code_blocks import ROOT, pages

from flaskauth.cli.main import main

LOADED = re.compile(r'(?:<script[^>]*\bsrc|<img[^>]*\bsrc|<link[^>]*\bhref)="([^"]+)"')
CELL = re.compile(r"(?<!\\)\|")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("path", PAGES)
def test_generated_page_is_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == render(path), "run: make docs"


@pytest.mark.parametrize("path", [path for path in PAGES if path.endswith(".md")])
def test_generated_table_rows_have_equal_cell_counts(path: str) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", render(path), re.MULTILINE):
        assert len({len(CELL.findall(row)) for row in table.splitlines()}) == 1, table


def test_cli_command_short_help_fits_one_line() -> None:
    def truncated(group: click.Group) -> list[str]:
        subgroups = [command for command in group.commands.values() if isinstance(command, click.Group)]
        names = [name for name, command in group.commands.items() if command.get_short_help_str(62).endswith("...")]
        return names + [name for subgroup in subgroups for name in truncated(subgroup)]

    assert truncated(main) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_openapi_request_fields_have_descriptions(client: FlaskClient) -> None:
    schemas: dict[str, Any] = client.get("/openapi.json").get_json()["components"]["schemas"]
    requests = {name: schema for name, schema in schemas.items() if name.endswith("Request")}

    assert requests
    for name, schema in requests.items():
        for field, properties in schema["properties"].items():
            assert properties.get("description"), f"{name}.{field}"


def test_links_between_pages_resolve() -> None:
    for page in pages():
        for target in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
            assert "://" in target or (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


def test_sphinx_build_has_no_warnings_or_remote_assets(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "docs", tmp_path)
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert process.returncode == 0, process.stderr
    built = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.html")}
    assert {
        "index.html",
        "tutorials/getting-started.html",
        "reference/settings.html",
        "concepts/signing-keys.html",
    } <= set(built)
    assert [url for text in built.values() for url in LOADED.findall(text) if "//" in url] == []
