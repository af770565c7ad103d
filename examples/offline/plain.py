"""Verify flaskauth's access tokens with its public keys only: python plain.py ISSUER TOKEN"""

import json
import sys
import threading
import time
import urllib.request
from typing import Any

import jwt

CLAIMS = ["iss", "aud", "sub", "client_id", "iat", "exp", "auth_time", "jti", "sid"]
CACHE_SECONDS = 600  # seconds, the max-age of the server's Cache-Control header
MIN_REFETCH_SECONDS = 10  # minimum seconds between requests, so that tokens with an unknown kid do not flood the server
LEEWAY = 10  # seconds of allowed clock difference


class KeysUnavailable(Exception):
    """The server's keys have not been fetched yet, so no token can be verified."""


class Keys:
    """Cache of the server's public keys, by key id."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._requested_at = float("-inf")
        self._lock = threading.Lock()

    def find(self, kid: str | None) -> jwt.PyJWK | None:
        """Return the key, or None if the server does not publish it (any more).

        Raises:
            KeysUnavailable: no keys have been fetched yet.
        """
        if kid not in self._keys or time.monotonic() - self._fetched_at > CACHE_SECONDS:
            with self._lock:
                if time.monotonic() - self._requested_at > MIN_REFETCH_SECONDS:
                    self._fetch()
        if not self._keys:
            raise KeysUnavailable
        return self._keys.get(kid or "")

    def _fetch(self) -> None:
        self._requested_at = time.monotonic()
        try:
            with urllib.request.urlopen(self._url, timeout=2) as response:
                keys = jwt.PyJWKSet.from_json(response.read().decode()).keys
        except (OSError, ValueError, jwt.PyJWTError):
            return  # keep using the cached keys until the server is reachable again
        self._keys = {key.key_id: key for key in keys if key.key_id}
        self._fetched_at = self._requested_at


class Verifier:
    """Verifies the access tokens of one issuer for one audience."""

    def __init__(self, jwks_url: str, issuer: str, audience: str) -> None:
        self._keys, self._issuer, self._audience = Keys(jwks_url), issuer, audience

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of the token: `sub` is the user id, `sid` the session id.

        Raises:
            jwt.InvalidTokenError: the token is forged, expired, or has a different issuer or audience.
            KeysUnavailable: no keys have been fetched yet; try again later.
        """
        header = jwt.get_unverified_header(token)
        key = self._keys.find(header.get("kid"))
        if key is None or header.get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("not an access token of this server")
        return jwt.decode(
            token,
            key,
            algorithms=["ES256"],
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY,
            options={"require": CLAIMS},
        )


if __name__ == "__main__":
    issuer, token = sys.argv[1:]
    try:
        print(json.dumps(Verifier(f"{issuer}/.well-known/jwks.json", issuer, issuer).verify(token), indent=2))
    except (jwt.InvalidTokenError, KeysUnavailable) as error:
        sys.exit(f"rejected: {error!r}")
