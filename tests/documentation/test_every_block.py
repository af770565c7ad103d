"""No code block stands in the documentation that no test runs."""

import re
from pathlib import Path

import pytest
from tests.documentation.blocks import ROOT, blocks, pages

RUN = re.compile(r'block\(\s*"([^"]+)",\s*"([^"]+)"\s*\)')


def run_by_tests() -> set[tuple[str, str]]:
    tests = (path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    return {found for path in tests for found in RUN.findall(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("page", pages())
def test_a_test_runs_each(page: str) -> None:
    for told, text in blocks(page):
        words = told.split()
        assert len(words) == 2, f"a language and a name: ```{told}\n{text}"
        assert (page, words[1]) in run_by_tests(), f"no test runs it: ```{told}\n{text}"


def test_the_names_of_a_page_differ() -> None:
    for page in pages():
        told = [told for told, _text in blocks(page)]
        assert len(told) == len(set(told)), page
