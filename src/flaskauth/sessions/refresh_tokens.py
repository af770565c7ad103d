"""Refresh tokens: derived from the session's nonce and a key that is not in the database, never stored."""

from dataclasses import dataclass

from flaskauth.foundation import crypto
from flaskauth.foundation.ids import LARGEST

LONGEST = 128  # characters
MOST_GENERATIONS = 2**31 - 1


@dataclass(frozen=True)
class Presented:
    """A token as somebody presents it."""

    session_id: int
    generation: int
    mac: bytes

    def is_genuine(self, nonce: bytes) -> bool:
        """Whether it was made here, under the secret in use or a fallback."""
        macs = crypto.macs("refresh token", self.session_id, self.generation, nonce)
        return any([crypto.same(self.mac, mac) for mac in macs])


def derive(session_id: int, generation: int, nonce: bytes) -> str:
    """The token of a generation: <session id>.<generation>.<MAC>."""
    mac = crypto.mac("refresh token", session_id, generation, nonce)
    return f"{session_id}.{generation}.{crypto.encode(mac)}"


def parse(token: str) -> Presented | None:
    """The parts of a token, or None when it cannot be one."""
    parts = token.split(".") if len(token) <= LONGEST else []
    if len(parts) != 3:
        return None
    session_id, generation, mac = (
        _number(parts[0], LARGEST),
        _number(parts[1], MOST_GENERATIONS),
        crypto.decode(parts[2]),
    )
    return Presented(session_id, generation, mac) if session_id and generation and mac else None


def _number(text: str, most: int) -> int:
    """A positive number written in its one way; 0 for anything else."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else 0
    return number if str(number) == text and number <= most else 0
