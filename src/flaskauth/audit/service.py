"""Record events in the transaction of the operation, read them, and delete or erase them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flask import has_request_context
from sqlalchemy import not_, select, update

from flaskauth.audit import integrity, sealing
from flaskauth.audit.models import AuditEvent
from flaskauth.core import clock
from flaskauth.core.db.compiled import insert_row
from flaskauth.core.db.session import db, execute_count
from flaskauth.core.http.request import client_ip, request_id, user_agent
from flaskauth.core.ids import new_id
from flaskauth.core.observability.log import get_logger

# All events and their meaning, with the corresponding name of the OWASP logging vocabulary, if there is one.
EVENTS = {
    "registration_started": "a registration was requested",
    "registration_existing_email": "a registration was requested with the email address of an existing account",
    "account_created": "an email address was verified and the account was created",
    "invalid_code": "a code was wrong (authn_login_fail)",
    "sign_in": "a user signed in (authn_login_success)",
    "second_factor_required": "the first factor of a sign-in was right, and a second one was requested",
    "second_factor_failed": "a second factor was wrong (authn_login_fail)",
    "totp_enrolled": "a user added an authenticator app",
    "totp_renamed": "a user renamed an authenticator app",
    "totp_removed": "a user removed an authenticator app",
    "totp_undecryptable": "the secret of an authenticator app cannot be decrypted with SECRET_KEY or a fallback",
    "mfa_changed": "a second factor is required at sign-ins from now on, or no longer",
    "recovery_codes_created": "new recovery codes replaced the previous ones",
    "recovery_code_used": "a recovery code was used for a sign-in or a reauthentication",
    "device_remembered": "a user let a device replace the second factor for some time",
    "remembered_devices_cleared": "a user required a second factor on all devices again",
    "sign_in_failed": "a sign-in was rejected (authn_login_fail)",
    "sign_in_rate_exceeded": "the rate of failed sign-ins of all users is far above normal",
    "sign_in_code_requested": "a sign-in code was requested, for a registered or an unregistered email address",
    "reauthenticated": "a signed-in user proved the password, the second factor or both again",
    "passkey_registered": "a signed-in user added a passkey or a security key (user_updated)",
    "passkey_renamed": "a signed-in user renamed a passkey or a security key",
    "passkey_removed": "a signed-in user removed a passkey or a security key (user_updated)",
    "passkey_counter_regressed": "a passkey was rejected because its counter did not increase: it may be a copy",
    "password_removed": "a signed-in user removed the password, to sign in with passkeys only (authn_password_change)",
    "reset_requested": "a password reset was requested, for a registered or an unregistered email address",
    "password_reset": "a new password was set with a code from a mail (authn_password_change)",
    "password_changed": "a signed-in user changed the password (authn_password_change)",
    "factor_reset_requested": "a user who has lost the second factors scheduled their removal",
    "factor_reset_cancelled": "a scheduled removal of second factors was cancelled",
    "factor_reset_done": "the second factors of a user were removed, after the delay or by an operator",
    "mfa_requirement_changed": "an operator required a second factor of a user, or no longer (user_updated)",
    "factors_restored": "a link from a mail undid the changes of second factors",
    "email_change_requested": "a signed-in user requested an email change",
    "email_changed": "a new email address was verified with a code from a mail",
    "email_change_reverted": "an email change was reverted with a link from a mail",
    "sign_in_reported": "a user reported a sign-in with a link from a mail",
    "breach_check_failed": "a password was accepted because the list of breached passwords was unavailable",
    "refresh_token_reused": "an old refresh token was reused and its session was revoked (authn_token_reuse)",
    "refresh_token_replayed": "an old refresh token was used again, late but from a recognised network, and accepted",
    "signed_out": "a user revoked a session",
    "signed_out_everywhere": "a user revoked all other sessions",
    "session_evicted": "the oldest session was revoked because the user has too many",
    "users_imported": "an operator imported users from a file",
    "user_created": "an operator created a user (user_created)",
    "user_verified": "an operator marked the email address of a user as verified (user_updated)",
    "password_set": "an operator set the password of a user (authn_password_change)",
    "account_disabled": "an operator disabled a user (user_updated)",
    "account_enabled": "an operator enabled a user (user_updated)",
    "profile_edited": "a user changed names, country or language",
    "account_closed": "a user or an operator scheduled the deletion of the account, which is due in a week",
    "account_restored": "a scheduled deletion was cancelled",
    "account_erased": "an account whose deletion was due was erased",
    "account_exported": "a user exported all stored data",
    "avatar_changed": "a user uploaded an avatar",
    "avatar_removed": "a user removed the avatar",
    "signing_key_created": "a signing key was created",
    "signing_keys_revoked": "signing keys were revoked immediately",
    "mail_rejected": "a mail server rejected a mail permanently",
    "mail_not_rendered": "a mail failed before it was sent: its recipient, header or template is invalid",
}

log = get_logger(__name__)


class DistinctEvent(NamedTuple):
    """The session and the details that one or more events have."""

    session_id: int | None
    details: dict[str, Any]


def record(
    name: str, *, user_id: int | None = None, session_id: int | None = None, **details: str | int | None
) -> None:
    """Insert an event in the current transaction, and log it.

    Raises:
        KeyError: the name is not in EVENTS.
    """
    if name not in EVENTS:
        raise KeyError(name)
    in_request = has_request_context()
    event = AuditEvent(
        id=new_id(),
        at=clock.now(),
        name=name,
        user_id=user_id,
        session_id=session_id,
        ip=client_ip() if in_request else None,
        device=user_agent() if in_request else None,
        request_id=request_id() if in_request else None,
        details=details,
    )
    integrity.sign_event(event)
    insert_row(event)
    log.info(name, user_id=user_id, session_id=session_id, **details)


def events_for_user(user_id: int, before: int | None, limit: int) -> Sequence[AuditEvent]:
    """Return the newest events of a user, optionally only those with an id below `before`."""
    newest = select(AuditEvent).where(AuditEvent.user_id == user_id).order_by(AuditEvent.id.desc()).limit(limit)
    return db.session.scalars(newest.where(AuditEvent.id < before) if before is not None else newest).all()


def find_distinct(
    user_id: int, names: Collection[str], since: datetime, excluded: Iterable[tuple[datetime, datetime]] = ()
) -> list[DistinctEvent]:
    """Return the events with these names since a time, outside of the excluded periods.

    Of events with the same session and details, one is returned: a client can cause thousands of them.
    """
    columns = select(AuditEvent.session_id, AuditEvent.details).distinct()
    events = columns.where(AuditEvent.user_id == user_id, AuditEvent.name.in_(names), AuditEvent.at >= since)
    for period in excluded:
        events = events.where(not_(AuditEvent.at.between(*period)))
    return [DistinctEvent(*row) for row in db.session.execute(events)]


def has_event(user_id: int, name: str, since: datetime) -> bool:
    """Return True if the event was recorded for the user since a time."""
    return first_time(user_id, name, since) is not None


def first_time(user_id: int, name: str, since: datetime) -> datetime | None:
    """Return when the event was first recorded for the user since a time, or None."""
    times = select(AuditEvent.at).where(AuditEvent.user_id == user_id, AuditEvent.name == name, AuditEvent.at >= since)
    return db.session.scalar(times.order_by(AuditEvent.at).limit(1))


def erase_personal_data(user_id: int) -> None:
    """Erase the personal fields of a user's events. Names, times and the id of the deleted user remain."""
    events = update(AuditEvent).where(AuditEvent.user_id == user_id)
    execute_count(events.values(ip=None, device=None, request_id=None, details={}, salt=None))


def purge() -> int:
    """Delete events older than AUDIT_RETENTION_DAYS in whole seals. Return the number of deleted rows."""
    cutoff = sealing.retention_cutoff()
    if db.session.scalar(select(AuditEvent.id).where(AuditEvent.at < cutoff).limit(1)) is None:
        return 0
    # This seal records the new `retained_since`, so that verification does not report the deleted events as missing.
    sealing.append_seal(cutoff, allow_empty=True)
    return sealing.drop_before(cutoff)
