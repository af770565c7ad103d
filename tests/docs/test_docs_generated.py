"""Generated pages are up to date, links resolve, and the Sphinx site builds without warnings."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from typing import Any

import click
import pytest
from docs.conf import NAVIGATION
from docs.generate import PAGES, render
from flask.testing import FlaskClient
from tests.docs.code_blocks import ROOT, pages

from flaskauth.cli.main import main
from flaskauth.settings import setting_names

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


def test_every_page_is_in_the_sidebar() -> None:
    patterns = [pattern for entries in NAVIGATION.values() for pattern in entries]
    for path in (ROOT / "docs").rglob("*/*.md"):
        page = str(path.relative_to(ROOT / "docs").with_suffix(""))
        assert any(fnmatch(page, pattern) for pattern in patterns), page


def test_links_between_pages_resolve() -> None:
    for page in pages():
        for target in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
            assert "://" in target or (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages of `make docs` by path, and `stderr`, the warnings of Sphinx."""
    folder = tmp_path_factory.mktemp("site")
    command = (sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "docs", folder)
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    built = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.[hj][ts]*")}
    return {**built, "stderr": process.stderr}


@pytest.mark.slow
def test_sphinx_build_has_no_warnings_or_remote_assets(site: dict[str, str]) -> None:
    assert site["stderr"] == ""
    built = {path: text for path, text in site.items() if path.endswith(".html")}
    assert {
        "index.html",
        "tutorials/getting-started.html",
        "reference/settings.html",
        "concepts/signing-keys.html",
    } <= set(built)
    assert [url for text in built.values() for url in LOADED.findall(text) if "//" in url] == []


@pytest.mark.slow
def test_settings_page_has_a_linked_anchor_for_each_setting(site: dict[str, str]) -> None:
    anchors = re.findall(r'<a id="([^"]+)" href="#\1">', site["reference/settings.html"])

    assert anchors == [name.lower() for name in anchors]
    assert sorted(anchors) == sorted(name.lower() for name in setting_names())


@pytest.mark.slow
def test_landing_page_links_to_every_page(site: dict[str, str]) -> None:
    links = set(re.findall(r'href="([^"#:]+\.html)', site["index.html"]))
    own_pages = {path for path in site if path.endswith(".html")} - {"genindex.html", "search.html"}

    assert own_pages - links <= {"index.html"}
    assert links <= set(site)


@pytest.mark.slow
def test_code_blocks_of_the_site_have_copy_buttons(site: dict[str, str]) -> None:
    page = site["tutorials/getting-started.html"]

    assert re.search(r'<script src="\.\./_static/copybutton\.js', page)
    assert "clipboard" in site["_static/copybutton.js"]
    assert '<div class="highlight"><pre>' in page  # the elements to which the script adds a button
