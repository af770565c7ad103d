"""What a code looks like, and how it follows from its row."""

from flaskauth.codes.models import OneTimeCode
from flaskauth.foundation import crypto

ALPHABET = "BCDFGHJKMNPQRSTVWXZ23456789"
LENGTH = 8  # 27^8: 38 bits (ASVS 6.5.4 asks for 20)


def candidates(row: OneTimeCode) -> list[str]:
    """The row's code under the secret in use, then under each fallback (it may have been mailed before the change)."""
    return [_letters(raw) for raw in crypto.macs("one-time code", row.purpose, row.id, row.nonce)]


def mailed(row: OneTimeCode) -> str:
    """The row's code as its mail says it, however often: the one that it was made with, under whichever secret."""
    first, *others = candidates(row)
    made = (code for code in (first, *others) if others and _is_made_with(row, code))
    return formatted(next(made, first))


def _is_made_with(row: OneTimeCode, code: str) -> bool:
    return any([crypto.same(row.lookup, found) for found in lookups(row.purpose, code)])


def matches(row: OneTimeCode, code: str) -> bool:
    """Whether this canonical code is the row's."""
    return any([crypto.same(code.encode(), candidate.encode()) for candidate in candidates(row)])


def lookups(purpose: str, code: str) -> list[bytes]:
    """What stands in the row for whoever brings the code alone."""
    return crypto.macs("code lookup", purpose, code)


def formatted(code: str) -> str:
    """As people read it: BCDF-2345."""
    return f"{code[:4]}-{code[4:]}"


def canonical(typed: str) -> str:
    """The code as typed, without case, spaces and dashes; "" when it cannot be one."""
    bare = typed.replace(" ", "").replace("-", "")
    code = bare.upper() if bare.isascii() else ""
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else ""


def _letters(raw: bytes) -> str:
    number, letters = int.from_bytes(raw, "big"), ""
    for _ in range(LENGTH):
        number, position = divmod(number, len(ALPHABET))
        letters += ALPHABET[position]
    return letters
