"""The optional dependencies, and what to tell the operator if one is not installed."""

from functools import cache
from importlib.util import find_spec

DISTRIBUTION = "flaskauth-server"
PACKAGES = {"serve": ("granian",), "worker": ("celery",), "avatars": ("obstore", "PIL")}  # import names


@cache
def missing_extra(extra: str) -> str | None:
    """Return one sentence that names the extra, or None if it is installed."""
    if all(map(find_spec, PACKAGES[extra])):
        return None
    return f"the extra {extra} is not installed: pip install '{DISTRIBUTION}[{extra}]'"
