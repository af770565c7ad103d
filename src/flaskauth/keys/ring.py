"""The keys as one process holds them in memory; it looks again every minute, and sooner for a key it does not know."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from flaskauth.foundation import clock, crypto
from flaskauth.foundation.db import db
from flaskauth.foundation.errors import Unavailable
from flaskauth.keys.models import SigningKey

LOOKS_AGAIN = timedelta(seconds=60)
LOOKS_FOR_UNKNOWN = timedelta(seconds=10)
SEAL = "signing key"
KEY = "flaskauth.keys"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Key:
    """A key pair, opened."""

    kid: str
    public_jwk: dict[str, Any]
    private: EllipticCurvePrivateKey
    signs_from: datetime


class Ring:
    """The keys that are in use, oldest first."""

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._looked_at: datetime | None = None

    def known(self) -> list[Key]:
        """Every key that verifies, the coming one too; from memory while the database is away."""
        if self._is_older_than(LOOKS_AGAIN):
            self._look()
        return self._keys

    def signer(self) -> Key:
        """The newest key whose hour has come; the oldest where a machine whose clock is ahead has made all there are.

        Raises:
            Unavailable: there is none yet.
        """
        known = self.known()
        if not known:
            self.forget()
            raise Unavailable
        ready = [key for key in known if key.signs_from <= clock.now()]
        return ready[-1] if ready else known[0]

    def find(self, kid: str) -> Key | None:
        """The key of this id; an unknown one is looked up, but not at every request that invents one.

        Raises:
            Unavailable: no key could be read yet, so nobody can say whether this one is ours.
        """
        found = _of(self.known(), kid)
        if found is None and self._is_older_than(LOOKS_FOR_UNKNOWN):
            self._look()
            found = _of(self._keys, kid)
        if not self._keys:
            raise Unavailable
        return found

    def forget(self) -> None:
        """Look again at the next use."""
        self._looked_at = None

    def load(self) -> None:
        """Read the keys now.

        Raises:
            CannotOpen: a stored key was sealed with a secret that is not configured.
        """
        with db.sessionmaker() as session:
            rows = session.scalars(select(SigningKey).order_by(SigningKey.ordinal)).all()
        self._keys = [_opened(row) for row in rows]
        self._looked_at = clock.now()

    def _look(self) -> None:
        try:
            self.load()
        except (SQLAlchemyError, crypto.CannotOpen) as error:
            log.error("signing_keys_unreadable", reason=type(error).__name__)
            self._looked_at = clock.now() if self._keys else None

    def _is_older_than(self, age: timedelta) -> bool:
        return self._looked_at is None or not timedelta() <= clock.now() - self._looked_at < age


def ring() -> Ring:
    """The running application's keys."""
    found = current_app.extensions.setdefault(KEY, Ring())
    assert isinstance(found, Ring)
    return found


def _of(keys: list[Key], kid: str) -> Key | None:
    return next((key for key in keys if key.kid == kid), None)


def _opened(row: SigningKey) -> Key:
    der, _ = crypto.unseal(SEAL, row.sealed, row.kid.encode())
    private = load_der_private_key(der, password=None)
    assert isinstance(private, EllipticCurvePrivateKey)
    return Key(kid=row.kid, public_jwk=row.public_jwk, private=private, signs_from=row.signs_from)
