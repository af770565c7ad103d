"""Make what people wrote safe to stand in a sentence of ours."""

import unicodedata

# Letters that turn the direction of those around them: a name must not rearrange the sentence that it stands in.
TURNING = set("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


# The letters that keep a piece to itself, in the direction of its own first letter.
FIRST_STRONG_ISOLATE, END_OF_ISOLATE = "\u2068", "\u2069"


def one_line(text: str) -> str:
    """The text on one line, without control characters: it can end no header field and begin no line."""
    line = " ".join(text.split())
    return "".join(letter for letter in line if unicodedata.category(letter) != "Cc" and letter not in TURNING)


def isolated(text: str) -> str:
    """The text as it reads by itself: a date in an Arabic line stays a date, and turns nothing around it."""
    return f"{FIRST_STRONG_ISOLATE}{text}{END_OF_ISOLATE}"
