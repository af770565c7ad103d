"""What a device is called to people: its browser and system, as its user agent names them."""

import re
from functools import lru_cache

# Of what a stranger may call a browser, nothing that could pass for a link goes into a mail.
PLAIN = re.compile(r"[\w +-]{1,40}(\.[\w +-]{1,10})?")


@lru_cache(maxsize=1024)
def device_name(user_agent: str) -> str:
    """Such as "Firefox (Linux)"; "" where nothing is known."""
    from ua_parser import parse  # noqa: PLC0415 (its table takes a fifth of a second, at the first use)

    found = parse(user_agent)
    browser, system = (_plain(part.family) if part else "" for part in (found.user_agent, found.os))
    return f"{browser} ({system})" if browser and system else browser or system


def _plain(name: str) -> str:
    return name if PLAIN.fullmatch(name) and "www." not in name.lower() else ""
