"""Find text that mail programs turn into links, so that an attacker cannot place a link in a mail to a third party."""

import re
import unicodedata
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

IDEOGRAPHIC_FULL_STOP = "\u3002"  # browsers read it as a dot in a domain name (UTS #46)
# Special-use names (RFC 6761 and others), and ones of private networks. Some programs link these too.
SPECIAL_USE_DOMAINS = {"alt", "example", "internal", "invalid", "lan", "local", "localhost", "onion", "test"}
MIN_PHONE_DIGITS = 7
# Unicode's Default_Ignorable_Code_Point: a program may drop these characters before it looks for links.
IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
LINK = re.compile(
    r"[a-z][a-z0-9+.-]+:\S"  # http:, mailto:, tel: and every other scheme
    r"|(www\d*|ftp)\."
    r"|\S@\S"
    r"|\\\\"  # a network path of Windows
    r"|\d{1,3}(\.\d{1,3}){3}"  # an IPv4 address
)


def fold(text: str) -> str:
    """Return the text as a program may read it that looks for links.

    Compatibility characters such as full-width letters are replaced, invisible ones removed, and case is ignored.
    """
    normalized = unicodedata.normalize("NFKC", IGNORABLE.sub("", unicodedata.normalize("NFKC", text)))
    return normalized.replace(IDEOGRAPHIC_FULL_STOP, ".").casefold()


def contains_link(text: str) -> bool:
    """Return True if a mail program may make a link of a part of the text.

    Links are URLs, email addresses, IP addresses, phone numbers, and domain names: a dot between a character that is
    not white space and a top-level domain. "St.John" and "A.J.Smith" are none.
    """
    folded = fold(text)
    return (
        LINK.search(folded) is not None
        or sum(character.isdecimal() for character in folded) >= MIN_PHONE_DIGITS
        or any(_is_top_level_domain(label) for label in _labels_after_dots(folded))
    )


def _labels_after_dots(folded: str) -> list[str]:
    """Return the letters, digits, marks and hyphens that follow each dot inside a word."""
    masked = "".join(
        character if character in ".-" or character.isspace() or unicodedata.category(character)[0] in "LMN" else "/"
        for character in folded
    )
    return [
        after.partition("/")[0].strip("-")
        for word in masked.split()
        for before, after in pairwise(word.split("."))
        if before
    ]


def _is_top_level_domain(label: str) -> bool:
    """Return True for a top-level domain, also with combining marks: programs that look for ASCII stop before them."""
    without_marks = "".join(character for character in label if unicodedata.category(character)[0] != "M")
    return label.startswith("xn--") or not _top_level_domains().isdisjoint({label, without_marks})


@lru_cache(maxsize=1)
def _top_level_domains() -> frozenset[str]:
    text = files("flaskauth.mail").joinpath("data/top_level_domains.txt").read_text(encoding="utf-8")
    return frozenset(map(fold, text.split())) | SPECIAL_USE_DOMAINS
