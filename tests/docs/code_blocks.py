"""The code blocks of the documentation. Each fence names a language and a label: ```sh migrate."""

import configparser
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


def pages() -> list[str]:
    """Return the path of every page that users read, relative to the repository."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in paths)


@cache
def blocks(page: str) -> list[tuple[str, str]]:
    """Return the info string and the text of each code block of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(match["info"].strip(), match["text"]) for match in FENCE.finditer(text)]


def block(page: str, label: str) -> str:
    """Return the text of one block: block("docs/operations/production.md", "migrate")."""
    [text] = [text for info, text in blocks(page) if info.split()[1:] == [label]]
    return text


def server_options(text: str) -> Mapping[str, str]:
    """Return the options that a block sets for MariaDB or MySQL."""
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser["mysqld"]


def command_line_options(text: str) -> Iterator[str]:
    """Return the options of a block as command-line options of the database server."""
    return (f"--{option.replace('_', '-')}={value}" for option, value in server_options(text).items())
