"""The format of one-time codes, and their derivation from database rows."""

import unicodedata

from flaskauth.core import crypto
from flaskauth.one_time_codes.models import OneTimeCode

ALPHABET = "BCDFGHJKMNPQRSTVWXZ23456789"
# Keyboards and mail programs insert a minus sign, the hyphen of Japanese keyboards or a variation selector. In Unicode
# these are neither dashes nor format characters.
MORE_IGNORED = "\u2212\u30fc\ufe0e\ufe0f"
LENGTH = 8  # 27^8: 38 bits (ASVS 6.5.4 asks for 20)


def candidate_codes(row: OneTimeCode) -> list[str]:
    """Return the row's code under the current secret key, then under each fallback.

    A code that was mailed before the secret key changed stays valid.
    """
    codes = []
    for mac in crypto.macs_all_keys("one-time code", row.purpose, row.id, row.nonce):
        number = int.from_bytes(mac, "big")
        code = ""
        for _ in range(LENGTH):
            number, position = divmod(number, len(ALPHABET))
            code += ALPHABET[position]
        codes.append(code)
    return codes


def mailed_code(row: OneTimeCode) -> str:
    """Return the row's code as mails show it: under the secret key that it was issued with."""
    first, *others = candidate_codes(row)
    for code in (first, *others) if others else ():
        if any([crypto.compare_digest(row.lookup, digest) for digest in lookup_digests(row.purpose, code)]):
            return format_code(code)
    return format_code(first)


def matches(row: OneTimeCode, code: str) -> bool:
    """Return True if the normalized code belongs to the row. Takes constant time."""
    return any([crypto.compare_digest(code.encode(), candidate.encode()) for candidate in candidate_codes(row)])


def lookup_digests(purpose: str, code: str) -> list[bytes]:
    """Return the digests that identify a code without its id or email address."""
    return crypto.macs_all_keys("code lookup", purpose, code)


def format_code(code: str) -> str:
    """Return the code as mails show it: BCDF-2345."""
    return f"{code[:4]}-{code[4:]}"


def normalize_code(text: str, length: int = LENGTH) -> str:
    """Return the code in upper case, or "" if the text is no code of this length.

    Compatibility characters, such as full-width letters, count as the plain ones.
    """
    stripped = remove_separators(unicodedata.normalize("NFKC", text))
    code = stripped.upper() if stripped.isascii() else ""
    return code if len(code) == length and set(code) <= set(ALPHABET) else ""


def remove_separators(text: str) -> str:
    """Return the text without white space, dashes and invisible format characters.

    Keyboards and copied text contain other ones than the mail or the app that showed the code.
    """
    return "".join(filter(_is_significant, text))


def _is_significant(character: str) -> bool:
    is_dash_or_format = unicodedata.category(character) in {"Pd", "Cf"} or character in MORE_IGNORED
    return not (character.isspace() or is_dash_or_format)
