"""The code blocks of the documentation, each with a name after its language: ```sh migrate."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<told>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


def pages() -> list[str]:
    """Every page that users read, by its path in the project."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    return sorted(str(page.relative_to(ROOT)) for page in found)


@cache
def blocks(page: str) -> list[tuple[str, str]]:
    """What stands after the ``` of each block of a page, and its text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(found["told"].strip(), found["text"]) for found in FENCE.finditer(text)]


def block(page: str, name: str) -> str:
    """The text of one block: block("docs/production.md", "migrate")."""
    [found] = [text for told, text in blocks(page) if told.split()[1:] == [name]]
    return found
