"""Make, rotate and retire signing keys."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm
from sqlalchemy import delete, select, update

from flaskauth import audit
from flaskauth.foundation import clock, crypto, jobs
from flaskauth.foundation.current import settings
from flaskauth.foundation.db import changed, db, transaction
from flaskauth.foundation.errors import Unavailable
from flaskauth.keys.models import SigningKey
from flaskauth.keys.ring import SEAL, Key, ring

ROTATES_AFTER = timedelta(days=30)
PUBLISHED_BEFORE_USE = timedelta(hours=1)
LEEWAY = timedelta(seconds=30)


def maintain() -> None:
    """See to it that there is a key, that its successor comes in time, and that the retired go.

    Raises:
        CannotOpen: a stored key was sealed with a secret that is not configured; nothing was made or changed.
    """
    ring().load()
    transaction(_maintain)
    ring().load()


def rotate(*, at_once: bool = False) -> str:
    """Make the next key; the kid. At once means a leak: it signs from now, and every older key is out of use.

    Raises:
        CannotOpen: a stored key was sealed with a secret that is not configured; nothing was made.
    """
    ring().load()
    kid = transaction(lambda: _rotate(at_once))
    ring().forget()
    return kid


def reset() -> str:
    """Drop every key, readable or not, and make a new one: for a lost secret. Sessions are ended by the caller."""
    kid = transaction(_reset)
    ring().forget()
    return kid


def signer() -> Key:
    """The key that signs now.

    Raises:
        Unavailable: there is none; the thread beside makes it, for a server that started before its database.
    """
    try:
        return ring().signer()
    except Unavailable:
        jobs.soon(maintain)
        raise


def public_jwks() -> list[dict[str, Any]]:
    """The public keys that verify now or soon, as JWKs.

    Raises:
        Unavailable: none could be read yet.
    """
    signer()
    return [key.public_jwk for key in ring().known()]


def listing() -> Sequence[SigningKey]:
    """Every stored key, oldest first."""
    return db.session.scalars(select(SigningKey).order_by(SigningKey.ordinal)).all()


def _maintain() -> None:
    rows = listing()
    now = clock.now()
    if not rows:
        _make(1, signs_from=now)
    elif rows[-1].signs_from + ROTATES_AFTER - PUBLISHED_BEFORE_USE <= now:
        _make(rows[-1].ordinal + 1, signs_from=now + PUBLISHED_BEFORE_USE)
    _retire(rows, now)
    for row in rows:
        _seal_again(row)


def _retire(rows: Sequence[SigningKey], now: datetime) -> None:
    """Delete a key once the last token that it can have signed has ended."""
    longest = timedelta(minutes=settings().jwt_duration) + LEEWAY
    for row, successor in pairwise(rows):
        if successor.signs_from + longest < now:
            changed(delete(SigningKey).where(SigningKey.ordinal == row.ordinal))


def _seal_again(row: SigningKey) -> None:
    der, is_current = crypto.unseal(SEAL, row.sealed, row.kid.encode())
    if not is_current:
        same_row = update(SigningKey).where(SigningKey.ordinal == row.ordinal, SigningKey.sealed == row.sealed)
        changed(same_row.values(sealed=crypto.seal(SEAL, der, row.kid.encode())))


def _rotate(at_once: bool) -> str:
    rows = listing()
    wait = timedelta() if at_once or not rows else PUBLISHED_BEFORE_USE
    made = _make(rows[-1].ordinal + 1 if rows else 1, signs_from=clock.now() + wait)
    if at_once:
        dropped = changed(delete(SigningKey).where(SigningKey.ordinal < made.ordinal))
        audit.record("signing_keys_dropped", dropped=dropped)
    return made.kid


def _reset() -> str:
    newest = db.session.scalar(select(SigningKey.ordinal).order_by(SigningKey.ordinal.desc()).limit(1)) or 0
    made = _make(newest + 1, signs_from=clock.now())
    audit.record("signing_keys_dropped", dropped=changed(delete(SigningKey).where(SigningKey.ordinal <= newest)))
    return made.kid


def _make(ordinal: int, signs_from: datetime) -> SigningKey:
    private = ec.generate_private_key(ec.SECP256R1())
    jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    kid = _thumbprint(jwk)
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    made = SigningKey(
        ordinal=ordinal,
        kid=kid,
        public_jwk={**jwk, "kid": kid, "alg": "ES256", "use": "sig"},
        sealed=crypto.seal(SEAL, der, kid.encode()),
        created_at=clock.now(),
        signs_from=signs_from,
    )
    db.session.add(made)
    audit.record("signing_key_made", kid=kid)
    db.session.flush()
    return made


def _thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638: SHA-256 of the required members in their order."""
    members = ",".join(f'"{name}":"{jwk[name]}"' for name in ("crv", "kty", "x", "y"))
    return crypto.encode(crypto.sha256(f"{{{members}}}".encode()))
