"""Email addresses: validation, the key that compares them, and the one spelling that mails and responses show.

Only this module decides what an address is. Each route, command and mail calls `parse`, so no two of them can read the
same text differently (ADR 15).
"""

import unicodedata
from dataclasses import dataclass
from email.headerregistry import Address

import idna

MAX_LENGTH = 254  # bytes (RFC 5321 section 4.5.3.1.3), and characters of the input
MAX_NORMALIZED_BYTES = 320
# Unicode's White_Space, and invisible characters that are copied with a text: zero-width spaces, soft hyphens, and the
# marks by which address books and chat programs set its direction. Directional overrides (U+202D, U+202E) are not among
# them: attackers disguise text with them.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\xad\u061c\u1680\u200e\u200f\u202f\u205f\u2060\u3000\ufeff" + "".join(
    map(chr, [*range(0x2000, 0x200C), *range(0x2028, 0x202D), *range(0x2066, 0x206A)])
)
SPECIALS = frozenset('()<>[]:;@\\,"')  # RFC 5322 section 3.2.3, without the dot
ENCODED_WORD_START = "=?"  # RFC 2047: mail libraries decode it, also inside an address


class InvalidEmail(ValueError):
    """The text is not an email address that mail can be sent to."""


@dataclass(frozen=True)
class EmailAddress:
    """An email address. `original` is used for mail and shown to users, `normalized` only for comparison.

    `original` has a local part in NFC and a domain in ASCII. It is the recipient of the SMTP envelope.
    """

    original: str
    normalized: str

    def to_header(self) -> Address:
        """Return the address for a header field."""
        local, _, domain = self.original.rpartition("@")
        return Address(username=local, domain=domain)


def parse(text: str) -> EmailAddress:
    """Return the email address in the text. Surrounding white space is ignored; tags and dots are significant.

    Two addresses are equal after NFC, lower case and IDNA. Case folding would merge addresses of different users, such
    as gruß@ and gruss@.

    Raises:
        InvalidEmail: the text is malformed, or has a quoted local part, an address literal, inner white space or
            characters that a mail program reads as syntax.
    """
    local, at_sign, domain = text.strip(WHITE_SPACE).rpartition("@")
    if not at_sign or len(local) + len(domain) >= MAX_LENGTH or not _is_readable(local) or not _is_readable(domain):
        raise InvalidEmail
    local, domain = unicodedata.normalize("NFC", local), encode_domain(domain)
    original = f"{local}@{domain}"
    # The final sigma is a spelling of sigma: lower() selects one by the position in the word.
    key = unicodedata.normalize("NFC", local.lower()).replace("\u03c2", "\u03c3")
    normalized = f"{key}@{domain}"
    if (
        not all(local.split("."))
        or len(original.encode()) > MAX_LENGTH
        or len(normalized.encode()) > MAX_NORMALIZED_BYTES
    ):
        raise InvalidEmail
    return EmailAddress(original, normalized)


def encode_domain(domain: str) -> str:
    """Return a domain in ASCII and lower case (IDNA 2008, UTS 46). Private domains such as corp.local are valid.

    Raises:
        InvalidEmail: the domain is malformed, an IP address, or one label other than localhost.
    """
    try:
        encoded = idna.encode(domain, uts46=True, std3_rules=True).decode()
    except (idna.IDNAError, ValueError):
        raise InvalidEmail from None
    top_label = encoded.rpartition(".")[2]
    if not top_label or top_label.isdigit() or top_label == encoded != "localhost":
        raise InvalidEmail
    return encoded


def _is_readable(part: str) -> bool:
    """Return True if every mail program reads the local part or domain as these characters, not as syntax.

    Programs normalize text in different ways. The compatibility decomposition (NFKD) shows what each of them can find.
    """
    variants = f"{part}\n{unicodedata.normalize('NFKD', part)}"
    categories = [unicodedata.category(character) for character in part]
    return (
        ENCODED_WORD_START not in variants
        and SPECIALS.isdisjoint(variants)
        and len(variants.split()) == 2
        and not any(category[0] in "CZ" for category in categories)
        and not categories[0].startswith("M")  # it would combine with the character before the address
    )
