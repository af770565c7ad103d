"""Every code block of the documentation is run by a test."""

import re
from pathlib import Path

import pytest
from tests.docs.code_blocks import ROOT, blocks, pages

BLOCK_CALL = re.compile(r'block\(\s*"([^"]+)",\s*"([^"]+)"\s*\)')


def blocks_run_by_tests() -> set[tuple[str, str]]:
    tests = (path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    return {call for path in tests for call in BLOCK_CALL.findall(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("page", pages())
def test_every_code_block_is_run_by_a_test(page: str) -> None:
    for info, text in blocks(page):
        words = info.split()
        assert len(words) == 2, f"a block needs a language and a label: ```{info}\n{text}"
        assert (page, words[1]) in blocks_run_by_tests(), f"no test runs this block: ```{info}\n{text}"


def test_code_block_labels_are_unique_per_page() -> None:
    for page in pages():
        infos = [info for info, _text in blocks(page)]
        assert len(infos) == len(set(infos)), page
