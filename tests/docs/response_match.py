"""Comparison of a response with the example on a page."""

import re

PLACEHOLDER = re.compile(r"\S{22}|\S+\.\.\.|\S+Z")  # values that differ each time, or are shortened on the page


def matches_example(response: object, example: object) -> bool:
    """Return True if the response has the same fields as the example, and the same values except placeholders."""
    if isinstance(example, dict):
        return (
            isinstance(response, dict)
            and set(response) == set(example)
            and all(matches_example(response[name], example[name]) for name in example)
        )
    if isinstance(example, str) and not PLACEHOLDER.fullmatch(example):
        return bool(response == example)
    return type(response) is type(example)
