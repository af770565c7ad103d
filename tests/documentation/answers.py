"""Answers that a page shows, beside those that a server gives."""

import re
from typing import Any

CUT_SHORT = re.compile(r"\S{22}|\S+\.\.\.|\S+Z")  # what the page cannot know, or does not show whole


def alike(said: Any, shown: Any) -> bool:
    """The same fields, and the same values wherever the page can know them."""
    if isinstance(shown, dict):
        return set(said) == set(shown) and all(alike(said[name], shown[name]) for name in shown)
    if isinstance(shown, str) and not CUT_SHORT.fullmatch(shown):
        return bool(said == shown)
    return type(said) is type(shown)
