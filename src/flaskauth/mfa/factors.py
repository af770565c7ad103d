"""The factors of a user: what every change of them does, and how long removed ones are kept."""

from datetime import timedelta

from sqlalchemy import and_, or_, select

from flaskauth.core import clock
from flaskauth.core.db.session import db, delete_batch
from flaskauth.mfa.models import ACTIVE_PASSKEY, ACTIVE_TOTP, Passkey, RecoveryCode, TotpFactor, UsedWebauthnChallenge

RESTORE_PERIOD = timedelta(days=7)  # removed factors and codes are kept so long


def exist() -> bool:
    """Return True if any user has a second factor."""
    factors = select(TotpFactor.id).where(ACTIVE_TOTP), select(Passkey.id).where(ACTIVE_PASSKEY)
    return any(db.session.scalar(factor.limit(1)) is not None for factor in factors)


def purge() -> int:
    """Delete one batch of factors that were removed a week ago or never confirmed. Return the number of rows."""
    now = clock.now()
    removed_before = now - RESTORE_PERIOD
    unconfirmed = and_(TotpFactor.confirmed_at.is_(None), TotpFactor.expires_at < now)
    return (
        delete_batch(TotpFactor.id, or_(TotpFactor.removed_at < removed_before, unconfirmed))
        + delete_batch(Passkey.id, Passkey.removed_at < removed_before)
        + delete_batch(RecoveryCode.id, RecoveryCode.removed_at < removed_before)
        + delete_batch(UsedWebauthnChallenge.digest, UsedWebauthnChallenge.expires_at < now)
    )
