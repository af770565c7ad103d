"""Remove all factors of a user, or undo the changes of factors since a time. Removed rows are kept for 7 days."""

from datetime import datetime

from sqlalchemy import update

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.audit import service as audit_log
from flaskauth.core import clock
from flaskauth.core.db.session import execute_count
from flaskauth.mfa import code_failures, factors
from flaskauth.mfa.models import Passkey, RecoveryCode, TotpFactor

TABLES: tuple[type[TotpFactor] | type[Passkey] | type[RecoveryCode], ...] = (TotpFactor, Passkey, RecoveryCode)


def remove_all(user_id: int, removed_at: datetime) -> int:
    """Remove all factors and codes of a user, turn MFA off and reject the sign-ins that have begun.

    Return the number of removed factors.
    """
    counts = [
        execute_count(
            update(table).where(table.user_id == user_id, table.removed_at.is_(None)).values(removed_at=removed_at)
        )
        for table in TABLES
    ]
    accounts.increase_credential_version(user_id, mfa_enabled=False)
    code_failures.reset(user_id)
    return sum(counts[:2])


def undo_since(user_id: int, since: datetime) -> None:
    """Remove the factors and codes that were added since, and restore those that were removed since. Record it.

    MFA is on afterwards if the user has a factor, because the changes may have turned it off.
    """
    now = clock.now()
    restored = removed = 0
    for table in TABLES:
        own = table.user_id == user_id
        restored += execute_count(
            update(table).where(own, table.created_at < since, table.removed_at >= since).values(removed_at=None)
        )
        removed += execute_count(
            update(table).where(own, table.created_at >= since, table.removed_at.is_(None)).values(removed_at=now)
        )
    if restored or removed or audit_log.has_event(user_id, "mfa_changed", since):
        accounts.increase_credential_version(user_id, mfa_enabled=factors.count(user_id) > 0)
        audit.record("factors_restored", user_id=user_id, restored=restored, removed=removed)
