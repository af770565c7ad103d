"""The pages that are made from the code, and the site that is built from all pages."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from docs.generate import PAGES, made
from flask.testing import FlaskClient
from tests.documentation.blocks import ROOT, pages

from flaskauth.cli import main

LOADED = re.compile(r'(?:<script[^>]*\bsrc|<img[^>]*\bsrc|<link[^>]*\bhref)="([^"]+)"')
CELL = re.compile(r"(?<!\\)\|")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("path", PAGES)
def test_what_is_made_from_the_code_is_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == made(path), "run: make docs"


@pytest.mark.parametrize("path", [path for path in PAGES if path.endswith(".md")])
def test_every_row_of_a_table_has_the_cells_that_its_heading_has(path: str) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", made(path), re.MULTILINE):
        assert len({len(CELL.findall(row)) for row in table.splitlines()}) == 1, table


def test_every_command_is_told_in_one_line() -> None:
    def cut_short(group: click.Group) -> list[str]:
        inner = [name for one in group.commands.values() if isinstance(one, click.Group) for name in cut_short(one)]
        return [name for name, one in group.commands.items() if one.get_short_help_str(62).endswith("...")] + inner

    assert cut_short(main) == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_field_that_a_call_asks_for_is_described(client: FlaskClient) -> None:
    schemas: dict[str, Any] = client.get("/openapi.json").get_json()["components"]["schemas"]
    asked = {name: schema for name, schema in schemas.items() if name.endswith("Request")}

    assert asked
    for name, schema in asked.items():
        for field, told in schema["properties"].items():
            assert told.get("description"), f"{name}.{field}"


def test_every_link_between_pages_leads_somewhere() -> None:
    for page in pages():
        for target in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
            assert "://" in target or (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    words = (sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "docs", tmp_path)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    built = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.html")}
    assert {"index.html", "getting-started.html", "reference/settings.html", "concepts/keys.html"} <= set(built)
    assert [url for text in built.values() for url in LOADED.findall(text) if "//" in url] == []
