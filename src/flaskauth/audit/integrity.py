"""Digests and signatures that detect changes to events and seals. Their keys are derived from SECRET_KEY."""

import json
from collections.abc import Iterable

from flaskauth.audit.models import AuditEvent, AuditSeal
from flaskauth.core import crypto

EVENT_KEY_LABEL = "audit event"
SEAL_KEY_LABEL = "audit seal"


def sign_event(event: AuditEvent) -> None:
    """Sign the event, so that an attacker with write access to the database only cannot forge one.

    The signature covers a salted digest of the personal fields. After the fields and the salt are erased, the digest
    does not reveal them.
    """
    event.salt = crypto.random_bytes(16)
    event.personal_digest = _personal_digest(event, event.salt)
    event.signature = crypto.mac(EVENT_KEY_LABEL, *_permanent_fields(event))


def has_valid_signature(event: AuditEvent) -> bool:
    """Return True if one of the configured secrets signed the event and it has not been changed."""
    return event.signature is not None and _matches_any(
        event.signature, crypto.macs_all_keys(EVENT_KEY_LABEL, *_permanent_fields(event))
    )


def matches_digest(event: AuditEvent) -> bool:
    """Return True if the personal fields have not been changed."""
    return event.salt is not None and event.personal_digest == _personal_digest(event, event.salt)


def is_erased(event: AuditEvent) -> bool:
    """Return True if the personal fields and the salt are erased."""
    return not (event.salt or event.ip or event.device or event.request_id or event.details)


def digest_events(events: Iterable[AuditEvent]) -> bytes:
    """Return a digest of the permanent fields of these events, in this order."""
    return crypto.digest(*(crypto.digest(*_permanent_fields(event), event.signature or b"") for event in events))


def sign_seal(seal: AuditSeal) -> None:
    seal.mac = crypto.mac(SEAL_KEY_LABEL, *seal.signed_fields())


def has_valid_seal(seal: AuditSeal) -> bool:
    """Return True if one of the configured secrets signed the seal and it has not been changed."""
    return _matches_any(seal.mac, crypto.macs_all_keys(SEAL_KEY_LABEL, *seal.signed_fields()))


def is_signed_by_current_key(seal: AuditSeal) -> bool:
    """Return True if the current secret signed the seal, not a fallback."""
    return crypto.compare_digest(seal.mac, crypto.mac(SEAL_KEY_LABEL, *seal.signed_fields()))


def digest_seal(seal: AuditSeal) -> bytes:
    """Return the digest that the next seal stores in `previous`."""
    return crypto.digest(*seal.signed_fields(), seal.mac)


def _permanent_fields(event: AuditEvent) -> tuple[bytes | str | int, ...]:
    """Return the fields that are never erased."""
    ids = ("" if number is None else number for number in (event.user_id, event.session_id))
    return event.id, event.at.isoformat(), event.name, *ids, event.personal_digest or b""


def _personal_digest(event: AuditEvent, salt: bytes) -> bytes:
    personal_fields = [event.ip, event.device, event.request_id, event.details]
    return crypto.digest(salt, json.dumps(personal_fields, sort_keys=True))


def _matches_any(mac: bytes, candidates: list[bytes]) -> bool:
    return any([crypto.compare_digest(mac, candidate) for candidate in candidates])
