"""What a device is called to people: its browser and system, as its user agent names them."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ua_parser import Parser

# Of what a stranger may call a browser, nothing that could pass for a link goes into a mail.
PLAIN = re.compile(r"[\w +-]{1,40}(\.[\w +-]{1,10})?")


@lru_cache(maxsize=1024)
def device_name(user_agent: str) -> str:
    """Such as "Firefox (Linux)"; "" where nothing is known."""
    found = _reader().parse(user_agent)
    browser, system = (_plain(part.family) if part else "" for part in (found.user_agent, found.os))
    return f"{browser} ({system})" if browser and system else browser or system


def _plain(name: str) -> str:
    return name if PLAIN.fullmatch(name) and "www." not in name.lower() else ""


@lru_cache(maxsize=1)
def _reader() -> "Parser":
    """Made at first use, and without the models of telephones, which are more than half of its tables."""
    from ua_parser import Parser  # noqa: PLC0415
    from ua_parser.loaders import load_builtins  # noqa: PLC0415
    from ua_parser.regex import Resolver  # noqa: PLC0415

    browsers, systems, _models = load_builtins()
    return Parser(Resolver((browsers, systems, [])))
