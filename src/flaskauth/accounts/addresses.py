"""Email addresses: which are acceptable, and when two are the same."""

import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

LONGEST_KEY = 320  # bytes


class NotAnAddress(ValueError):
    """This is not an address that mail can be sent to."""


@dataclass(frozen=True)
class Address:
    """An address as it is mailed (`typed`) and as it is compared (`key`)."""

    typed: str
    key: str


def parse(text: str) -> Address:
    """The address in the text. Compared after NFC, case folding and IDNA; tags and dots count.

    Raises:
        NotAnAddress: quoted local parts, address literals, white space and everything else that is not plain.
    """
    try:
        valid = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise NotAnAddress from None
    domain = (valid.ascii_domain or "").lower()
    local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", valid.local_part).casefold())
    key = f"{local}@{domain}"
    if len(key.encode()) > LONGEST_KEY or text != text.strip():
        raise NotAnAddress
    return Address(typed=f"{valid.local_part}@{domain}", key=key)
