"""Scheduled removals of all second factors of a user."""

from datetime import datetime

from sqlalchemy import bindparam, delete, select

from flaskauth import audit
from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.db.compiled import CompiledStatement
from flaskauth.core.db.session import db, execute_count
from flaskauth.mfa.models import FactorReset
from flaskauth.one_time_codes import service as codes

_EMAIL = select(User.normalized_email).where(User.id == bindparam("user_id")).scalar_subquery()
REVOKE_CODES = CompiledStatement(codes.revocation(codes.LOST_FACTOR, _EMAIL))
CANCEL = CompiledStatement(delete(FactorReset).where(FactorReset.user_id == bindparam("user_id")))


def due_at(user_id: int) -> datetime | None:
    """Return when the removal of the user's factors is due, or None if none is scheduled."""
    return db.session.scalar(select(FactorReset.due_at).where(FactorReset.user_id == user_id))


def cancel(user_id: int) -> bool:
    """Cancel the removal of the user's factors and record it. Return False if none was scheduled.

    The mailed codes that would schedule one are revoked.
    """
    REVOKE_CODES.rowcount(user_id=user_id)
    if not CANCEL.rowcount(user_id=user_id):
        return False
    audit.record("factor_reset_cancelled", user_id=user_id)
    return True


def take_due(user_id: int) -> bool:
    """Delete a removal that is due. Return True if this call deleted it: the caller then removes the factors."""
    due = delete(FactorReset).where(FactorReset.user_id == user_id, FactorReset.due_at <= clock.now())
    return execute_count(due) == 1
