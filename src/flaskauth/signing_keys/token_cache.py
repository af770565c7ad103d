"""A cache of the claims of verified access tokens, so that a signature is verified once and not on each request.

Only signatures are cached. Times are checked and the session is read on each request. A token of a removed key is not
valid, cached or not.
"""

from typing import Generic, TypeVar

from flaskauth.core import crypto
from flaskauth.signing_keys.keyring import Keyring

T = TypeVar("T")

MAX_TOKENS = 8192  # per process, about 5 MB; the cache is cleared when full


class VerifiedTokenCache(Generic[T]):
    """The claims by digest of the token, so that a memory dump of the process contains no token from this cache."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._claims: dict[bytes, tuple[str, T]] = {}

    def get(self, token: str) -> T | None:
        """Return the claims of a token if they are cached and its key is still in use."""
        kid, claims = self._claims.get(_digest(token), ("", None))
        return claims if claims is not None and self._keyring.get(kid) else None

    def put(self, token: str, kid: str, claims: T) -> None:
        if len(self._claims) >= MAX_TOKENS:
            self._claims.clear()
        self._claims[_digest(token)] = kid, claims


def _digest(token: str) -> bytes:
    return crypto.sha256(token.encode("utf-8", "surrogatepass"))
