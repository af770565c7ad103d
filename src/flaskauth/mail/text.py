"""Make text from users safe to insert into the text of a mail."""

import unicodedata

# These characters change the direction of the text around them. A name must not reorder the sentence that contains it.
BIDI_CONTROLS = set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

FIRST_STRONG_ISOLATE, POP_DIRECTIONAL_ISOLATE = "\u2068", "\u2069"


def to_one_line(text: str) -> str:
    """Return the text on one line without control characters, so that it cannot inject header fields or lines."""
    line = " ".join(text.split())
    return "".join(char for char in line if unicodedata.category(char) != "Cc" and char not in BIDI_CONTROLS)


def isolate(text: str) -> str:
    """Return the text with bidirectional isolation: a date in an Arabic line is not reordered, nor is the line."""
    return f"{FIRST_STRONG_ISOLATE}{text}{POP_DIRECTIONAL_ISOLATE}"


def as_title(name: str) -> str:
    """Return the name, with a capital first letter if it is one lower-case word. Other names keep their spelling."""
    return name.capitalize() if name.isalnum() and name.islower() else name
