"""Seal events into a hash chain, in batches, and delete expired seals from its beginning.

An event is assigned to a seal by its column `seal`, not by a range of ids. An event that is committed late can have an
id below the previous seal's, and a later seal still covers it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import delete, select, update

from flaskauth.audit import integrity
from flaskauth.audit.models import AuditEvent, AuditSeal
from flaskauth.core import clock
from flaskauth.core.context import settings
from flaskauth.core.db.session import after_commit, db, execute_count, transaction
from flaskauth.core.observability.log import get_logger

SEAL_DELAY = timedelta(minutes=2)  # most transactions have committed by then
SEAL_SIZE = 500  # events in a seal
SEAL_BATCH_SIZE = 10

log = get_logger(__name__)


def seal() -> None:
    """Seal all events older than SEAL_DELAY. Concurrent calls are safe: the primary key lets one add each seal."""
    while transaction(partial(append_seal, clock.now() - SEAL_DELAY)) == SEAL_SIZE:
        pass


def append_seal(until: datetime, *, allow_empty: bool = False) -> int:
    """Seal at most SEAL_SIZE unsealed events with a time up to `until`. Return the number of sealed events.

    A seal without events is added only with `allow_empty`, or if the current secret did not sign the newest seal.
    """
    newest = newest_seal()
    events = _unsealed_events(until)
    if events or allow_empty or (newest and not integrity.is_signed_by_current_key(newest)):
        _add_seal(newest, events)
    return len(events)


def drop_before(cutoff: datetime) -> int:
    """Delete the oldest seals with only events from before the cutoff, and the events. Return the number of rows.

    The last of these seals is kept without its events, as the new beginning of the chain.
    """
    ordinals = _expired_seals(cutoff)
    if not ordinals:
        return 0
    events = delete(AuditEvent).where(AuditEvent.seal.between(ordinals[0], ordinals[-1]))
    return execute_count(events) + execute_count(delete(AuditSeal).where(AuditSeal.ordinal < ordinals[-1]))


def retention_cutoff() -> datetime:
    """Return the time before which events are deleted."""
    return clock.now() - timedelta(days=settings().audit_retention_days)


def newest_seal() -> AuditSeal | None:
    return db.session.scalar(select(AuditSeal).order_by(AuditSeal.ordinal.desc()).limit(1))


def _unsealed_events(until: datetime) -> Sequence[AuditEvent]:
    unsealed = select(AuditEvent).where(AuditEvent.seal.is_(None), AuditEvent.at <= until)
    return db.session.scalars(unsealed.order_by(AuditEvent.id).limit(SEAL_SIZE)).all()


def _expired_seals(cutoff: datetime) -> Sequence[int]:
    """Return the ordinals of the first seals, up to the first with an event that must be kept."""
    ordinals = select(AuditSeal.ordinal).order_by(AuditSeal.ordinal)
    first_retained = db.session.scalar(ordinals.where(AuditSeal.last_event_at >= cutoff).limit(1))
    expired = ordinals if first_retained is None else ordinals.where(AuditSeal.ordinal < first_retained)
    return db.session.scalars(expired.limit(SEAL_BATCH_SIZE)).all()


def _add_seal(newest: AuditSeal | None, events: Sequence[AuditEvent]) -> None:
    new_seal = _build_seal(newest, events)
    integrity.sign_seal(new_seal)
    db.session.add(new_seal)
    db.session.flush()  # one process inserts the ordinal; the others retry their transaction and read this seal
    sealed_events = update(AuditEvent).where(
        AuditEvent.id.in_([event.id for event in events]), AuditEvent.seal.is_(None)
    )
    if events:
        execute_count(sealed_events.values(seal=new_seal.ordinal))
    # If the log is stored elsewhere, this line reveals later changes to the database.
    log_fields = {
        "ordinal": new_seal.ordinal,
        "events": new_seal.count,
        "digest": integrity.digest_seal(new_seal).hex(),
    }
    after_commit(partial(log.info, "audit_sealed", **log_fields))


def _build_seal(newest: AuditSeal | None, events: Sequence[AuditEvent]) -> AuditSeal:
    now = clock.now()
    ids = [event.id for event in events]
    last_sealed_id = newest.last_id if newest else 0
    # A seal that no configured secret signed is not linked: a valid seal after a forged chain would make it valid.
    trusted = newest if newest and integrity.has_valid_seal(newest) else None
    return AuditSeal(
        ordinal=newest.ordinal + 1 if newest else 1,
        first_id=min(ids, default=None),
        last_id=max([last_sealed_id, *ids]),
        count=len(ids),
        late_count=sum(number < last_sealed_id for number in ids),
        unsigned_count=sum(not integrity.has_valid_signature(event) for event in events),
        digest=integrity.digest_events(events),
        previous=integrity.digest_seal(trusted) if trusted else b"",
        last_event_at=max((event.at for event in events), default=now),
        retained_since=max(retention_cutoff(), trusted.retained_since) if trusted else retention_cutoff(),
        sealed_at=now,
    )
