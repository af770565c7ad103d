"""Seal events into a chain, afterwards and in batches; drop what is over from its beginning.

An event is taken in by its column `seal`, not by a range of ids: one that commits late is below what was sealed before
it, and is taken in by a later seal all the same.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import delete, select, update

from flaskauth.audit import proofs
from flaskauth.audit.models import AuditEvent, AuditSeal
from flaskauth.foundation import clock
from flaskauth.foundation.current import settings
from flaskauth.foundation.db import after_commit, changed, db, transaction

SEALED_AFTER = timedelta(minutes=2)  # most that is written has committed by then
MOST = 500  # events in a seal
SEALS_AT_A_TIME = 10

log = structlog.get_logger(__name__)


def seal() -> None:
    """Seal everything that has waited for two minutes. Two at once do no harm: the loser finds it done."""
    while transaction(partial(append, clock.now() - SEALED_AFTER)) == MOST:
        pass


def append(until: datetime, *, always: bool = False) -> int:
    """Add a seal over the events that happened by then; how many. Without any, only for a new secret or if asked."""
    newest = newest_seal()
    waiting = _waiting(until)
    if waiting or always or (newest and not proofs.is_current(newest)):
        _add(newest, waiting)
    return len(waiting)


def drop(edge: datetime) -> int:
    """Delete the oldest seals that are wholly before then, with their events; the last of them stays, to begin with."""
    over = _over(edge)
    if not over:
        return 0
    events = delete(AuditEvent).where(AuditEvent.seal.between(over[0], over[-1]))
    return changed(events) + changed(delete(AuditSeal).where(AuditSeal.ordinal < over[-1]))


def retention_edge() -> datetime:
    """Older events are over."""
    return clock.now() - timedelta(days=settings().audit_retention_days)


def newest_seal() -> AuditSeal | None:
    return db.session.scalar(select(AuditSeal).order_by(AuditSeal.ordinal.desc()).limit(1))


def _waiting(until: datetime) -> Sequence[AuditEvent]:
    unsealed = select(AuditEvent).where(AuditEvent.seal.is_(None), AuditEvent.at <= until)
    return db.session.scalars(unsealed.order_by(AuditEvent.id).limit(MOST)).all()


def _over(edge: datetime) -> Sequence[int]:
    """The first seals in line, up to the first that has an event which is to stay."""
    line = select(AuditSeal.ordinal).order_by(AuditSeal.ordinal)
    stays = db.session.scalar(line.where(AuditSeal.ends_at >= edge).limit(1))
    goes = line if stays is None else line.where(AuditSeal.ordinal < stays)
    return db.session.scalars(goes.limit(SEALS_AT_A_TIME)).all()


def _add(newest: AuditSeal | None, events: Sequence[AuditEvent]) -> None:
    made = _made(newest, events)
    proofs.close(made)
    db.session.add(made)
    db.session.flush()  # who inserts the ordinal has it; the other begins again, and reads this one
    taken = update(AuditEvent).where(AuditEvent.id.in_([event.id for event in events]), AuditEvent.seal.is_(None))
    if events:
        changed(taken.values(seal=made.ordinal))
    # For whoever keeps the log elsewhere: what it says here, no later change of the database can take back.
    told = {"ordinal": made.ordinal, "events": made.count, "digest": proofs.link(made).hex()}
    after_commit(partial(log.info, "audit_sealed", **told))


def _made(newest: AuditSeal | None, events: Sequence[AuditEvent]) -> AuditSeal:
    ids, now = [event.id for event in events], clock.now()
    reached = newest.last_id if newest else 0
    # What no secret of ours closed is not carried on: a seal over a forged chain would make it good.
    trusted = newest if newest and proofs.is_ours(newest) else None
    return AuditSeal(
        ordinal=newest.ordinal + 1 if newest else 1,
        first_id=min(ids, default=None),
        last_id=max([reached, *ids]),
        count=len(ids),
        late=sum(number < reached for number in ids),
        unproven=sum(not proofs.is_marked(event) for event in events),
        digest=proofs.digest(events),
        previous=proofs.link(trusted) if trusted else b"",
        ends_at=max((event.at for event in events), default=now),
        kept_since=max(retention_edge(), trusted.kept_since) if trusted else retention_edge(),
        sealed_at=now,
    )
