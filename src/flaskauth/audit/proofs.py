"""What proves that events and seals are as they were written: digests, and marks under keys from SECRET_KEY."""

import json
from collections.abc import Iterable

from flaskauth.audit.models import AuditEvent, AuditSeal
from flaskauth.foundation import crypto

EVENT = "audit event"
SEAL = "audit seal"


def mark(event: AuditEvent) -> None:
    """Mark the event as ours: who can only write to the database cannot add one.

    Of the personal fields it binds a salted digest. Once they and the salt are erased, nobody can guess them from it.
    """
    event.salt = crypto.random_bytes(16)
    event.personal = _personal(event, event.salt)
    event.mark = crypto.mac(EVENT, *_lasting(event))


def is_marked(event: AuditEvent) -> bool:
    """Whether a configured secret marked it, and it is still what was marked."""
    return event.mark is not None and _is_one_of(event.mark, crypto.macs(EVENT, *_lasting(event)))


def is_bound(event: AuditEvent) -> bool:
    """Whether the personal fields are those that were written."""
    return event.salt is not None and event.personal == _personal(event, event.salt)


def is_blank(event: AuditEvent) -> bool:
    """Whether the personal fields are erased, and with them the salt."""
    return not (event.salt or event.ip or event.device or event.request_id or event.details)


def digest(events: Iterable[AuditEvent]) -> bytes:
    """Of all that lasts of these events, in this order."""
    return crypto.digest(*(crypto.digest(*_lasting(event), event.mark or b"") for event in events))


def close(seal: AuditSeal) -> None:
    """Put our mark on a seal."""
    seal.mac = crypto.mac(SEAL, *seal.said())


def is_ours(seal: AuditSeal) -> bool:
    """Whether a configured secret closed it, and it is still what was closed."""
    return _is_one_of(seal.mac, crypto.macs(SEAL, *seal.said()))


def is_current(seal: AuditSeal) -> bool:
    """Whether the secret in use closed it, and not a fallback."""
    return crypto.same(seal.mac, crypto.mac(SEAL, *seal.said()))


def link(seal: AuditSeal) -> bytes:
    """What the next seal says of this one."""
    return crypto.digest(*seal.said(), seal.mac)


def _lasting(event: AuditEvent) -> tuple[bytes | str | int, ...]:
    """What is never erased."""
    ids = ("" if number is None else number for number in (event.user_id, event.session_id))
    return event.id, event.at.isoformat(), event.name, *ids, event.personal or b""


def _personal(event: AuditEvent, salt: bytes) -> bytes:
    told = [event.ip, event.device, event.request_id, event.details]
    return crypto.digest(salt, json.dumps(told, sort_keys=True))


def _is_one_of(mac: bytes, good: list[bytes]) -> bool:
    return any([crypto.same(mac, each) for each in good])
