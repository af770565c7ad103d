"""The code blocks of the documentation, each with a name after its language: ```sh migrate."""

import configparser
import re
from collections.abc import Iterator, Mapping
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


def options(told: str) -> Mapping[str, str]:
    """What a block sets for MariaDB or MySQL."""
    parser = configparser.ConfigParser()
    parser.read_string(told)
    return parser["mysqld"]


def as_words(told: str) -> Iterator[str]:
    """The same for its command line."""
    return (f"--{option.replace('_', '-')}={value}" for option, value in options(told).items())
