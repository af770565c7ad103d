"""Delete all factors of a user, or undo the changes of factors since a time. Removed rows are kept for 7 days."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import InstrumentedAttribute

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.audit import service as audit_log
from flaskauth.core import clock
from flaskauth.core.db.session import db, execute_count
from flaskauth.mfa import code_failures, factors
from flaskauth.mfa.models import Passkey, RecoveryCode, TotpFactor

ADDED_AT: dict[type[TotpFactor] | type[Passkey] | type[RecoveryCode], InstrumentedAttribute[Any]] = {
    TotpFactor: TotpFactor.confirmed_at,
    Passkey: Passkey.created_at,
    RecoveryCode: RecoveryCode.created_at,
}
# The values that a restored row gets.
RESTORED_AS: dict[type[Any], dict[str, Any]] = {Passkey: {"can_sign_in": False}}


def delete_all(user_id: int) -> bool:
    """Delete all factors and codes of a user, turn MFA off and reject the sign-ins that have begun.

    Those that the user has removed are deleted too, so no link restores any: they may have been stolen. Return False
    without a change if there are none of both.
    """
    if not sum(execute_count(delete(table).where(table.user_id == user_id)) for table in ADDED_AT):
        return False
    accounts.increase_credential_version(user_id, mfa_enabled=False)
    code_failures.reset(user_id)
    return True


def undo_since(user_id: int, since: datetime) -> bool:
    """Delete the factors and codes that were added since this time, and restore the removed ones. Record it.

    The added ones are deleted, so that no other link restores them. A restored passkey is a second factor only: it may
    be an attacker's, which the user had removed, and must not sign in without the new password. MFA is on afterwards
    if the user has a factor, because the changes may have turned it off. Return False if nothing was changed since.
    """
    restored = removed = 0
    for table, added_at in ADDED_AT.items():
        own = table.user_id == user_id
        restored += execute_count(
            update(table)
            .where(own, added_at < since, table.removed_at >= since)
            .values({"removed_at": None, **RESTORED_AS.get(table, {})})
        )
        removed += execute_count(delete(table).where(own, added_at >= since))
    has_factor = factors.count(user_id) > 0
    if not (restored or removed or _has_changed_mfa(user_id, has_factor, since)):
        return False
    accounts.increase_credential_version(user_id, mfa_enabled=has_factor)
    start, end = since.isoformat(), clock.now().isoformat()
    audit.record("factors_restored", user_id=user_id, since=start, until=end, restored=restored, removed=removed)
    return True


def find_not_undone(user_id: int, since: datetime) -> set[tuple[int | None, str]]:
    """Return the sessions that have changed factors since a time, each with its `amr` before the change.

    Changes that a link has undone do not count.
    """
    restorations = audit_log.find_distinct(user_id, ["factors_restored"], since)
    periods = [(event.details["since"], event.details["until"]) for event in restorations]
    undone = [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in periods]
    changes = audit_log.find_distinct(user_id, factors.CHANGES, since, excluded=undone)
    return {(change.session_id, change.details.get("amr", "")) for change in changes}


def _has_changed_mfa(user_id: int, has_factor: bool, since: datetime) -> bool:
    """Return True if MFA was turned on or off since, and is not what the factors require."""
    is_enabled = db.session.scalar(select(User.mfa_enabled).where(User.id == user_id))
    return is_enabled != has_factor and audit_log.has_event(user_id, "mfa_changed", since)
