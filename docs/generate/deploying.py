"""The files in deploy/ that stand in docs/production.md: the guide is the source."""

import re
from collections.abc import Iterator
from pathlib import Path

GUIDE = Path(__file__).parents[1] / "production.md"
MADE = "# Made by `make docs` from docs/production.md, which tells why it is so."
INSIDE = "    server 127.0.0.1:8000 fail_timeout=2s;\n"
CONTAINERS = "".join(INSIDE.replace("127.0.0.1:8000", name) for name in ("api-1:8000", "api-2:8000"))


def unit(name: str) -> Iterator[str]:
    """A block of the guide, as a file."""
    yield from (MADE, *_block(name).splitlines())


def site() -> Iterator[str]:
    """nginx's site, for the two servers of deploy/compose.yaml."""
    text = _block("site")
    assert INSIDE in text
    yield from (MADE, *text.replace(INSIDE, CONTAINERS).splitlines())


def _block(name: str) -> str:
    [found] = re.findall(rf"^```\w+ {name}\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)
