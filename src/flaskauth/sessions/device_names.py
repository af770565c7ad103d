"""Display names of devices: browser and operating system, from the user agent."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from flaskauth.mail.link_detection import contains_link

if TYPE_CHECKING:
    from ua_parser import Parser

# An attacker controls the user agent, so nothing that looks like a link may go into a mail.
SAFE_NAME = re.compile(r"[\w .+-]{1,50}")


@lru_cache(maxsize=1024)
def device_name(user_agent: str) -> str:
    """Return a name such as "Firefox (Linux)", or "" for an unrecognised user agent."""
    parsed = _load_parser().parse(user_agent)
    browser, system = (_sanitize(part.family) if part else "" for part in (parsed.user_agent, parsed.os))
    return f"{browser} ({system})" if browser and system else browser or system


def _sanitize(name: str) -> str:
    return name if SAFE_NAME.fullmatch(name) and not contains_link(name) else ""


@lru_cache(maxsize=1)
def _load_parser() -> "Parser":
    """Return the parser, loaded at first use, without the phone models, which are more than half of its tables."""
    from ua_parser import Parser  # noqa: PLC0415
    from ua_parser.loaders import load_builtins  # noqa: PLC0415
    from ua_parser.regex import Resolver  # noqa: PLC0415

    browsers, systems, _models = load_builtins()
    return Parser(Resolver((browsers, systems, [])))
