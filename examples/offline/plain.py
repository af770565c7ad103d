"""Verify flaskauth's access tokens with nothing but its public keys: python plain.py ISSUER TOKEN"""

import json
import sys
import threading
import time
import urllib.request
from typing import Any

import jwt

CLAIMS = ["iss", "aud", "sub", "client_id", "iat", "exp", "auth_time", "jti", "sid"]
KEPT_FOR = 600  # seconds, as the server says in Cache-Control
ASKED_EVERY = 10  # seconds at least, so that tokens with invented keys do not become requests to the server
LEEWAY = 10  # seconds by which clocks may differ


class KeysAway(Exception):
    """The server's keys have not been read yet, so nobody can say whether a token is good."""


class Keys:
    """The server's public keys, by their ids."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: dict[str, jwt.PyJWK] = {}
        self._read_at = self._asked_at = float("-inf")
        self._turn = threading.Lock()

    def find(self, kid: str | None) -> jwt.PyJWK | None:
        """The key, or None where the server has no such key (any more)."""
        if kid not in self._known or time.monotonic() - self._read_at > KEPT_FOR:
            with self._turn:
                if time.monotonic() - self._asked_at > ASKED_EVERY:
                    self._read()
        if not self._known:
            raise KeysAway
        return self._known.get(kid or "")

    def _read(self) -> None:
        self._asked_at = time.monotonic()
        try:
            with urllib.request.urlopen(self._url, timeout=2) as answer:
                found = jwt.PyJWKSet.from_json(answer.read().decode()).keys
        except (OSError, ValueError, jwt.PyJWTError):
            return  # the known ones are good until the server says otherwise
        self._known = {key.key_id: key for key in found if key.key_id}
        self._read_at = self._asked_at


class Verifier:
    """Verifies tokens of one server for one audience."""

    def __init__(self, jwks_url: str, issuer: str, audience: str) -> None:
        self._keys, self._issuer, self._audience = Keys(jwks_url), issuer, audience

    def verify(self, token: str) -> dict[str, Any]:
        """What the token says: `sub` is the person's id, `sid` the session's.

        Raises:
            jwt.InvalidTokenError: it is forged, expired, or for somebody else.
            KeysAway: ask again later.
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
    except (jwt.InvalidTokenError, KeysAway) as error:
        sys.exit(f"refused: {error!r}")
