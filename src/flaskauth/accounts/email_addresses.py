"""Email addresses: validation and normalization."""

import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

MAX_NORMALIZED_BYTES = 320  # bytes


class InvalidEmail(ValueError):
    """The text is not an email address that mail can be sent to."""


@dataclass(frozen=True)
class EmailAddress:
    """An email address: `original` is used for mail, `normalized` for comparison."""

    original: str
    normalized: str


def parse(text: str) -> EmailAddress:
    """Return the email address in the text, normalized by NFC, case folding and IDNA. Tags and dots are significant.

    Raises:
        InvalidEmail: the text is malformed, or has a quoted local part, an address literal or white space.
    """
    try:
        valid = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise InvalidEmail from None
    domain = (valid.ascii_domain or "").lower()
    local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", valid.local_part).casefold())
    normalized = f"{local}@{domain}"
    if len(normalized.encode()) > MAX_NORMALIZED_BYTES or text != text.strip():
        raise InvalidEmail
    return EmailAddress(original=f"{valid.local_part}@{domain}", normalized=normalized)
