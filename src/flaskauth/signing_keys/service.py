"""Create, rotate and retire signing keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm
from sqlalchemy import delete, select, update

from flaskauth import audit
from flaskauth.core import clock, crypto
from flaskauth.core.context import settings
from flaskauth.core.db.session import db, execute_count, transaction
from flaskauth.core.errors import Unavailable
from flaskauth.core.jobs import background
from flaskauth.signing_keys.keyring import ENCRYPTION_LABEL, SigningKeyPair, keyring
from flaskauth.signing_keys.models import SigningKey

ROTATION_INTERVAL = timedelta(days=30)
PUBLICATION_LEAD = timedelta(hours=1)  # from publication to the first signature: caches of the JWKS must expire
LEEWAY = timedelta(seconds=30)  # for clock skew


def ensure_keys() -> None:
    """Create the first or the next key if it is due, delete retired keys, and re-encrypt keys after a secret change.

    Commits its own transaction.

    Raises:
        DecryptionError: a stored key was encrypted with a secret key that is not configured. Nothing was changed.
    """
    keyring().load()
    transaction(_ensure_keys)
    keyring().load()


def rotate(*, immediately: bool = False) -> str:
    """Create the next key, in a transaction of its own. Return its kid.

    Args:
        immediately: for a leaked key: the new key signs from now on, and all older keys are deleted.

    Raises:
        DecryptionError: a stored key was encrypted with a secret key that is not configured. Nothing was changed.
    """
    keyring().load()
    kid = transaction(lambda: _rotate(immediately))
    keyring().invalidate()
    return kid


def replace_all() -> str:
    """Delete all keys, readable or not, and create a new one, after a lost secret key. Return its kid.

    Commits its own transaction. The caller revokes the sessions.
    """
    kid = transaction(_replace_all)
    keyring().invalidate()
    return kid


def active_key() -> SigningKeyPair:
    """Return the key that signs now.

    Raises:
        Unavailable: there is no key yet. A background thread creates it, if the server started before its database.
    """
    try:
        return keyring().active()
    except Unavailable:
        background.run_soon(ensure_keys)
        raise


def public_jwks() -> list[Mapping[str, object]]:
    """Return the public keys as JWKs, including one that does not sign yet.

    Raises:
        Unavailable: no key could be loaded yet.
    """
    active_key()  # raises Unavailable and starts the creation of the first key if there is none
    return [key.public_jwk for key in keyring().all_keys()]


def list_keys() -> Sequence[SigningKey]:
    """Return all stored keys, oldest first."""
    return db.session.scalars(select(SigningKey).order_by(SigningKey.ordinal)).all()


def _ensure_keys() -> None:
    rows = list_keys()
    now = clock.now()
    if not rows:
        _create_key(1, active_from=now)
    elif rows[-1].active_from + ROTATION_INTERVAL - PUBLICATION_LEAD <= now:
        _create_key(rows[-1].ordinal + 1, active_from=now + PUBLICATION_LEAD)
    _retire(rows, now)
    for row in rows:
        _reencrypt(row)


def _retire(rows: Sequence[SigningKey], now: datetime) -> None:
    """Delete a key after the last token that it may have signed has expired."""
    token_lifetime = timedelta(minutes=settings().jwt_duration) + LEEWAY
    for row, successor in pairwise(rows):
        if successor.active_from + token_lifetime < now:
            execute_count(delete(SigningKey).where(SigningKey.ordinal == row.ordinal))


def _reencrypt(row: SigningKey) -> None:
    der, is_current = crypto.decrypt(ENCRYPTION_LABEL, row.encrypted_private_key, row.kid.encode())
    if not is_current:
        same_row = update(SigningKey).where(
            SigningKey.ordinal == row.ordinal, SigningKey.encrypted_private_key == row.encrypted_private_key
        )
        execute_count(same_row.values(encrypted_private_key=crypto.encrypt(ENCRYPTION_LABEL, der, row.kid.encode())))


def _rotate(immediately: bool) -> str:
    rows = list_keys()
    delay = timedelta() if immediately or not rows else PUBLICATION_LEAD
    created = _create_key(rows[-1].ordinal + 1 if rows else 1, active_from=clock.now() + delay)
    if immediately:
        revoked = execute_count(delete(SigningKey).where(SigningKey.ordinal < created.ordinal))
        audit.record("signing_keys_revoked", revoked=revoked)
    return created.kid


def _replace_all() -> str:
    newest = db.session.scalar(select(SigningKey.ordinal).order_by(SigningKey.ordinal.desc()).limit(1)) or 0
    created = _create_key(newest + 1, active_from=clock.now())
    audit.record("signing_keys_revoked", revoked=execute_count(delete(SigningKey).where(SigningKey.ordinal <= newest)))
    return created.kid


def _create_key(ordinal: int, active_from: datetime) -> SigningKey:
    private = ec.generate_private_key(ec.SECP256R1())
    jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    kid = _thumbprint(jwk)
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    created = SigningKey(
        ordinal=ordinal,
        kid=kid,
        public_jwk={**jwk, "kid": kid, "alg": "ES256", "use": "sig"},
        encrypted_private_key=crypto.encrypt(ENCRYPTION_LABEL, der, kid.encode()),
        created_at=clock.now(),
        active_from=active_from,
    )
    db.session.add(created)
    audit.record("signing_key_created", kid=kid)
    db.session.flush()
    return created


def _thumbprint(jwk: Mapping[str, object]) -> str:
    """Return the JWK thumbprint: SHA-256 of the required members in lexicographic order (RFC 7638)."""
    members = ",".join(f'"{name}":"{jwk[name]}"' for name in ("crv", "kty", "x", "y"))
    return crypto.base64url_encode(crypto.sha256(f"{{{members}}}".encode()))
