"""The signing keys in the memory of one process, reloaded each minute, and sooner for an unknown key id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from flaskauth.core import clock, crypto
from flaskauth.core.db.session import db
from flaskauth.core.errors import Unavailable
from flaskauth.core.observability.log import get_logger
from flaskauth.signing_keys.models import SigningKey

RELOAD_INTERVAL = timedelta(seconds=60)
UNKNOWN_KEY_RELOAD_INTERVAL = timedelta(seconds=10)
ENCRYPTION_LABEL = "signing key"
EXTENSION_KEY = "flaskauth.signing_keys"

log = get_logger(__name__)


@dataclass(frozen=True)
class SigningKeyPair:
    """A decrypted key pair."""

    kid: str
    public_jwk: Mapping[str, object]
    private_key: EllipticCurvePrivateKey
    active_from: datetime


class Keyring:
    """The keys in use, oldest first."""

    def __init__(self) -> None:
        self._keys: list[SigningKeyPair] = []
        self._loaded_at: datetime | None = None

    def all_keys(self) -> list[SigningKeyPair]:
        """Return all keys, including one that does not sign yet. Without a database, the loaded keys stay in use."""
        if self._is_stale(RELOAD_INTERVAL):
            self._refresh()
        return self._keys

    def active(self) -> SigningKeyPair:
        """Return the newest key that may sign now.

        If a node with a fast clock created all keys, none may sign yet, and the oldest is returned.

        Raises:
            Unavailable: there is no key yet.
        """
        keys = self.all_keys()
        if not keys:
            self.invalidate()
            raise Unavailable
        usable = [key for key in keys if key.active_from <= clock.now()]
        return usable[-1] if usable else keys[0]

    def get(self, kid: str) -> SigningKeyPair | None:
        """Return the key with this id, or None. An unknown id reloads the keys, at most every 10 seconds.

        Raises:
            Unavailable: no key could be loaded yet, so the id cannot be checked.
        """
        key = _find_key(self.all_keys(), kid)
        if key is None and self._is_stale(UNKNOWN_KEY_RELOAD_INTERVAL):
            self._refresh()
            key = _find_key(self._keys, kid)
        if not self._keys:
            raise Unavailable
        return key

    def invalidate(self) -> None:
        """Reload the keys at the next use."""
        self._loaded_at = None

    def load(self) -> None:
        """Read and decrypt the keys.

        Raises:
            DecryptionError: a stored key was encrypted with a secret key that is not configured.
        """
        with db.sessionmaker() as session:
            rows = session.scalars(select(SigningKey).order_by(SigningKey.ordinal)).all()
        self._keys = [_decrypt_key(row) for row in rows]
        self._loaded_at = clock.now()

    def _refresh(self) -> None:
        try:
            self.load()
        except (SQLAlchemyError, crypto.DecryptionError) as error:
            log.error("signing_keys_unreadable", reason=type(error).__name__)
            self._loaded_at = clock.now() if self._keys else None

    def _is_stale(self, max_age: timedelta) -> bool:
        return self._loaded_at is None or not timedelta() <= clock.now() - self._loaded_at < max_age


def keyring() -> Keyring:
    """Return the keyring of the current application."""
    current = current_app.extensions.setdefault(EXTENSION_KEY, Keyring())
    assert isinstance(current, Keyring)
    return current


def _find_key(keys: list[SigningKeyPair], kid: str) -> SigningKeyPair | None:
    return next((key for key in keys if key.kid == kid), None)


def _decrypt_key(row: SigningKey) -> SigningKeyPair:
    der, _ = crypto.decrypt(ENCRYPTION_LABEL, row.encrypted_private_key, row.kid.encode())
    private = load_der_private_key(der, password=None)
    assert isinstance(private, EllipticCurvePrivateKey)
    return SigningKeyPair(kid=row.kid, public_jwk=row.public_jwk, private_key=private, active_from=row.active_from)
