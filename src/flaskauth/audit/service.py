"""Write down what happened, in the transaction in which it happened."""

from collections.abc import Sequence

import structlog
from flask import has_request_context
from sqlalchemy import select, update

from flaskauth.audit import proofs, sealing
from flaskauth.audit.models import AuditEvent
from flaskauth.foundation import clock
from flaskauth.foundation.db import changed, db
from flaskauth.foundation.http import client_ip, request_id, user_agent
from flaskauth.foundation.ids import new_id
from flaskauth.foundation.prepared import add

# Every event there is, and what it says. The OWASP logging vocabulary names its kin where it has any.
EVENTS = {
    "registration_opened": "somebody asked to join",
    "registration_known": "somebody asked to join with the address of an account",
    "account_created": "an address was proven and became an account",
    "wrong_code": "a code was wrong (authn_login_fail)",
    "sign_in": "a password opened a session (authn_login_success)",
    "sign_in_failed": "a sign-in was refused (authn_login_fail)",
    "sign_in_flood": "failed sign-ins everywhere are far above the usual",
    "reauthenticated": "a signed-in person gave the password again",
    "reset_requested": "somebody asked for a new password, for an address with an account or without",
    "password_reset": "a code from the mail set a new password (authn_password_change)",
    "password_changed": "a signed-in person set a new password (authn_password_change)",
    "address_change_requested": "a signed-in person asked for another address",
    "address_changed": "a code from the mail proved another address",
    "address_restored": "a link from the mail took a change of address back",
    "sign_in_disowned": "a link from the mail said that a sign-in was not its owner's",
    "breach_check_failed": "a password was let pass, as it could not be looked up among those from breaches",
    "refresh_token_reused": "an old refresh token came again and its session was ended (authn_token_reuse)",
    "signed_out": "a session was ended by its owner",
    "signed_out_everywhere": "a person ended all other sessions",
    "session_displaced": "the oldest session made room for a new one",
    "people_imported": "an operator brought people along from a file",
    "account_disabled": "an operator keeps a person out (user_updated)",
    "account_enabled": "an operator lets a person in again (user_updated)",
    "profile_edited": "a person changed names, country or language",
    "account_closed": "a person closed the account; it is erased in a week",
    "account_restored": "a person took the closing of the account back",
    "account_erased": "an account that was closed was erased",
    "account_exported": "a person asked for everything held about them",
    "avatar_changed": "a person put up a picture",
    "avatar_removed": "a person took the picture down",
    "signing_key_made": "a new signing key was made",
    "signing_keys_dropped": "signing keys were taken out of use at once",
    "mail_rejected": "a mail server refused a mail for good",
}

log = structlog.get_logger(__name__)


def record(
    name: str, *, user_id: int | None = None, session_id: int | None = None, **details: str | int | None
) -> None:
    """Write one event; it commits with the work that it tells of.

    Raises:
        KeyError: the event is not named in EVENTS.
    """
    if name not in EVENTS:
        raise KeyError(name)
    asked = has_request_context()
    event = AuditEvent(
        id=new_id(),
        at=clock.now(),
        name=name,
        user_id=user_id,
        session_id=session_id,
        ip=client_ip() if asked else None,
        device=user_agent() if asked else None,
        request_id=request_id() if asked else None,
        details=details,
    )
    proofs.mark(event)
    add(event)
    log.info(name, user_id=user_id, session_id=session_id, **details)


def of_person(user_id: int, before: int | None, most: int) -> Sequence[AuditEvent]:
    """The newest events of a person, of those before this id."""
    mine = select(AuditEvent).where(AuditEvent.user_id == user_id).order_by(AuditEvent.id.desc()).limit(most)
    return db.session.scalars(mine.where(AuditEvent.id < before) if before is not None else mine).all()


def forget(user_id: int) -> None:
    """Leave of a person's events their names and times; the number no longer leads to anybody."""
    mine = update(AuditEvent).where(AuditEvent.user_id == user_id)
    changed(mine.values(ip=None, device=None, request_id=None, details={}, salt=None))


def purge() -> int:
    """Delete events that are older than AUDIT_RETENTION_DAYS, whole seals at a time; how many events and seals went."""
    edge = sealing.retention_edge()
    if db.session.scalar(select(AuditEvent.id).where(AuditEvent.at < edge).limit(1)) is None:
        return 0
    sealing.append(edge, always=True)  # it says from when on events are kept, so that nobody misses the others
    return sealing.drop(edge)
