"""The factors of a user: what every change of them does, and how long removed ones are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CompoundSelect, Connection, and_, func, or_, select, union

from flaskauth import audit, mail
from flaskauth.accounts import mfa_policy
from flaskauth.accounts import service as accounts
from flaskauth.accounts.mfa_policy import MfaUser
from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.context import settings
from flaskauth.core.db.session import db, delete_batch
from flaskauth.core.errors import Forbidden, ValidationFailed
from flaskauth.mfa import pending_resets, recovery_codes
from flaskauth.mfa.models import ACTIVE_PASSKEY, ACTIVE_TOTP, Passkey, RecoveryCode, TotpFactor, UsedWebauthnChallenge
from flaskauth.mfa.recovery_codes import NewCodes
from flaskauth.one_time_codes import links
from flaskauth.sessions import devices
from flaskauth.sessions import service as sessions
from flaskauth.sessions.decorators import AuthContext, lock_session
from flaskauth.sessions.models import Session
from flaskauth.signing_keys import amr

RESTORE_PERIOD = timedelta(days=7)  # removed factors and codes are kept for this long
# The events of changes. Each stores the `amr` that the session had before the change.
CHANGES = (
    "totp_enrolled",
    "totp_removed",
    "passkey_registered",
    "passkey_removed",
    "recovery_codes_created",
    "mfa_changed",
)


def count_users(connection: Connection) -> int:
    """Return the number of users with an authenticator app, a passkey or a security key."""
    return connection.scalar(select(func.count()).select_from(owners().subquery())) or 0


def owners() -> CompoundSelect[tuple[int]]:
    """Return the query of the ids of users with an authenticator app, a passkey or a security key."""
    return union(select(TotpFactor.user_id).where(ACTIVE_TOTP), select(Passkey.user_id).where(ACTIVE_PASSKEY))


class FactorRequired(Forbidden):
    """403 `forbidden`: the user must have a second factor, and this is the last one."""

    code = "forbidden"
    message = "Your account requires a second factor. Add another one before you remove the last one."


class MfaRequired(Forbidden):
    """403 `forbidden`: the user must have a second factor, so MFA cannot be turned off."""

    code = "forbidden"
    message = "Your account requires a second factor at each sign-in."


class FactorsDisabled(Forbidden):
    """403 `forbidden`: `SECOND_FACTOR` is off."""

    code = "forbidden"
    message = "Second factors are not available."


@dataclass(frozen=True)
class FactorOverview:
    """The factors as the user sees them."""

    mfa_enabled: bool
    required: bool
    enrol_by: datetime | None
    totp: Sequence[TotpFactor]
    passkeys: Sequence[Passkey]
    recovery_codes_left: int
    remembered_devices: int


def overview(user: User) -> FactorOverview:
    """Return the factors of a user, the oldest first."""
    totp, passkeys = _active(user.id)
    return FactorOverview(
        mfa_enabled=user.mfa_enabled,
        required=mfa_policy.is_required(user),
        enrol_by=mfa_policy.enrol_by(user),
        totp=totp,
        passkeys=passkeys,
        recovery_codes_left=recovery_codes.count_left(user.id),
        remembered_devices=devices.count_remembered(user.id),
    )


def count(user_id: int) -> int:
    """Return the number of authenticator apps, passkeys and security keys of a user."""
    totp = select(func.count()).select_from(TotpFactor).where(TotpFactor.user_id == user_id, ACTIVE_TOTP)
    passkeys = select(func.count()).select_from(Passkey).where(Passkey.user_id == user_id, ACTIVE_PASSKEY)
    return sum(db.session.scalar(factors) or 0 for factors in (totp, passkeys))


def is_needed(user: MfaUser) -> bool:
    """Return True if the user must prove a second factor: MFA is on, or the policy requires a factor that exists.

    Otherwise the password alone could add a factor to those of the user.
    """
    return user.mfa_enabled or (mfa_policy.must_enrol(user) and count(user.id) > 0)


def require_available() -> None:
    """Check that users may add factors.

    Raises:
        FactorsDisabled
    """
    if settings().second_factor == "off":
        raise FactorsDisabled


def require_removable(user: User) -> None:
    """Check that the user may remove a factor. Call it before the UPDATE, because an error response is committed.

    Raises:
        FactorRequired: the last one is required.
    """
    if mfa_policy.is_required(user) and count(user.id) < 2:
        raise FactorRequired


def names(user_id: int) -> list[str]:
    """Return the names of the factors of a user."""
    totp, passkeys = _active(user_id)
    return [app.name for app in totp] + [passkey.name for passkey in passkeys]


def prepare_recovery_codes(user_id: int) -> NewCodes | None:
    """Return recovery codes for a user without a factor. Call it before the first write, because it hashes.

    Raises:
        Overloaded
    """
    return None if count(user_id) else recovery_codes.generate()


def finish_adding(
    auth: AuthContext, method: str, name: str, new_codes: NewCodes | None, *, enable_mfa: bool
) -> list[str] | None:
    """Do what every new factor requires, after `lock_session` and the insertion. Return the recovery codes to show.

    Sign-ins that have begun are rejected. The session counts as one with this factor. If MFA is turned on, the other
    sessions are revoked. The user is notified with a link that reports the session.

    Args:
        new_codes: from `prepare_recovery_codes`. They are stored unless a concurrent request has stored others.
        enable_mfa: turn MFA on. A required factor turns it on in any case.
    """
    user, session = auth.user, auth.session
    turns_on = not user.mfa_enabled and (enable_mfa or mfa_policy.is_required(user))
    accounts.increase_credential_version(user.id, mfa_enabled=user.mfa_enabled or turns_on)
    pending_resets.cancel(user.id)
    codes = _store_codes(auth, new_codes) if new_codes and not recovery_codes.count_left(user.id) else None
    if not amr.has_second_factor(session.amr):
        sessions.set_amr(session.id, amr.add(session.amr, method))
    if turns_on:
        _finish_turning_on(session, session.amr)
    mail.notify("mfa/factor_added", user, link_id=links.issue_report(user, session.id).id, factor=name)
    return codes


def finish_removing(auth: AuthContext, name: str) -> None:
    """Do what every removal of a factor requires, after `lock_session` and the UPDATE.

    Sign-ins that have begun are rejected, and the other sessions and devices are revoked. Without a factor, the
    recovery codes are removed and MFA is turned off. The user is notified with a link that reports the session.
    """
    user, is_last = auth.user, not count(auth.user.id)
    turns_off = is_last and user.mfa_enabled
    accounts.increase_credential_version(user.id, mfa_enabled=user.mfa_enabled and not is_last)
    pending_resets.cancel(user.id)
    sessions.revoke_all_for(user.id, except_session=auth.session)
    if is_last:
        recovery_codes.remove(user.id)
    if turns_off:
        _finish_turning_off(auth)
    link = links.issue_report(user, auth.session.id)
    mail.notify("mfa/factor_removed", user, link_id=link.id, factor=name, turned_off="yes" if turns_off else "")


def turn_on_by_policy(user_id: int, session_id: int, methods: str) -> None:
    """Turn MFA on for a user who must have a second factor and has just proven one. Revoke the other sessions.

    Args:
        methods: the authentication methods of the session.
    """
    accounts.increase_credential_version(user_id, mfa_enabled=True)
    _finish_turning_on(db.session.get_one(Session, session_id), methods)


def set_mfa(auth: AuthContext, *, enabled: bool) -> None:
    """Turn MFA on or off. The factors stay. Turning it on revokes the other sessions.

    Raises:
        ValidationFailed: the user has no factor.
        MfaRequired
        InvalidToken: the session was revoked during this call.
    """
    user = lock_session(auth)
    if enabled and not count(user.id):
        raise ValidationFailed({"enabled": ["Add a second factor first."]})
    if not enabled and mfa_policy.is_required(user):
        raise MfaRequired
    if user.mfa_enabled == enabled:
        return
    accounts.increase_credential_version(user.id, mfa_enabled=enabled)
    pending_resets.cancel(user.id)
    if enabled:
        _finish_turning_on(auth.session, auth.session.amr)
    else:
        _finish_turning_off(auth)


def replace_recovery_codes(auth: AuthContext) -> list[str]:
    """Replace the recovery codes of a user with a factor. Return the new ones, and notify the user.

    Raises:
        ValidationFailed: the user has no factor.
        Overloaded
        InvalidToken: the session was revoked during this call.
    """
    new_codes = recovery_codes.generate()
    user = lock_session(auth)
    if not count(user.id):
        raise ValidationFailed({"body": ["Add a second factor first."]})
    accounts.increase_credential_version(user.id)
    pending_resets.cancel(user.id)
    codes = _store_codes(auth, new_codes)
    mail.notify("mfa/recovery_codes_created", user, link_id=links.issue_report(user, auth.session.id).id)
    return codes


def clear_remembered_devices(auth: AuthContext) -> int:
    """Require a second factor on all remembered devices of the user again. Return their number.

    Raises:
        InvalidToken: the session was revoked during this call.
    """
    user = lock_session(auth)
    cleared = devices.clear_remembered(user.id)
    audit.record("remembered_devices_cleared", user_id=user.id, session_id=auth.session.id, cleared=cleared)
    return cleared


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


def _active(user_id: int) -> tuple[Sequence[TotpFactor], Sequence[Passkey]]:
    """Return the authenticator apps, and the passkeys and security keys of a user, the oldest first."""
    totp = select(TotpFactor).where(TotpFactor.user_id == user_id, ACTIVE_TOTP).order_by(TotpFactor.id)
    passkeys = select(Passkey).where(Passkey.user_id == user_id, ACTIVE_PASSKEY).order_by(Passkey.id)
    return db.session.scalars(totp).all(), db.session.scalars(passkeys).all()


def _store_codes(auth: AuthContext, new_codes: NewCodes) -> list[str]:
    audit.record("recovery_codes_created", user_id=auth.user.id, session_id=auth.session.id, amr=auth.session.amr)
    return recovery_codes.replace(auth.user.id, new_codes)


def _finish_turning_on(session: Session, methods: str) -> None:
    sessions.revoke_all_for(session.user_id, except_session=session)
    audit.record("mfa_changed", user_id=session.user_id, session_id=session.id, amr=methods, enabled="yes")


def _finish_turning_off(auth: AuthContext) -> None:
    devices.clear_remembered(auth.user.id)
    audit.record("mfa_changed", user_id=auth.user.id, session_id=auth.session.id, amr=auth.session.amr, enabled="no")
