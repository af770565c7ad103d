"""Refresh tokens: derived from the session's nonce and a key outside the database, never stored."""

from dataclasses import dataclass

from flaskauth.core import crypto
from flaskauth.core.ids import MAX_SAFE_INTEGER

MAX_LENGTH = 128  # characters
MAX_GENERATION = 2**31 - 1


@dataclass(frozen=True)
class ParsedRefreshToken:
    """The parts of a submitted refresh token, not verified yet."""

    session_id: int
    generation: int
    mac: bytes

    def has_valid_mac(self, nonce: bytes) -> bool:
        """Return True if the MAC is valid under the current secret key or a fallback."""
        macs = crypto.macs_all_keys("refresh token", self.session_id, self.generation, nonce)
        return any([crypto.compare_digest(self.mac, mac) for mac in macs])


def derive(session_id: int, generation: int, nonce: bytes) -> str:
    """Return the token of a generation: <session id>.<generation>.<MAC>."""
    mac = crypto.mac("refresh token", session_id, generation, nonce)
    return f"{session_id}.{generation}.{crypto.base64url_encode(mac)}"


def parse(token: str) -> ParsedRefreshToken | None:
    """Return the parts of a token, or None if it is malformed."""
    parts = token.split(".") if len(token) <= MAX_LENGTH else []
    if len(parts) != 3:
        return None
    session_id, generation, mac = (
        _parse_number(parts[0], MAX_SAFE_INTEGER),
        _parse_number(parts[1], MAX_GENERATION),
        crypto.base64url_decode(parts[2]),
    )
    return ParsedRefreshToken(session_id, generation, mac) if session_id and generation and mac else None


def _parse_number(text: str, maximum: int) -> int:
    """Return a positive number in canonical decimal form, or 0 for any other text."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else 0
    return number if str(number) == text and number <= maximum else 0
