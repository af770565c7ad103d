"""What tokens said whose signature was right, so that the same token is verified once, and not at every request.

Only signatures are remembered: times are compared and the session is read each time. A key that was dropped opens
nothing, remembered or not.
"""

from typing import Generic, TypeVar

from flaskauth.foundation import crypto
from flaskauth.keys.ring import Ring

T = TypeVar("T")

MOST = 8192  # tokens of each process, some 5 MB; past that all are forgotten


class Verified(Generic[T]):
    """What was said, by the digest of the token: who reads the memory of this process learns no token from here."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._said: dict[bytes, tuple[str, T]] = {}

    def recall(self, token: str) -> T | None:
        """What this token said, if its key is still in use."""
        kid, said = self._said.get(_digest(token), ("", None))
        return said if said is not None and self._ring.find(kid) else None

    def remember(self, token: str, kid: str, said: T) -> None:
        if len(self._said) >= MOST:
            self._said.clear()
        self._said[_digest(token)] = kid, said


def _digest(token: str) -> bytes:
    return crypto.sha256(token.encode("utf-8", "surrogatepass"))
