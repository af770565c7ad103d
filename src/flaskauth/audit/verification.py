"""Verify the whole chain, and report the first failure."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from flaskauth.audit import integrity
from flaskauth.audit.models import AuditEvent, AuditSeal
from flaskauth.audit.report import (
    EVENT_ALTERED,
    EVENT_FORGED,
    EVENT_MISSING,
    SEAL_ALTERED,
    SEAL_MISSING,
    SEAL_UNLINKED,
    TAIL_MISSING,
    Anchor,
    DelayedSeal,
    IntegrityFailure,
    Report,
)
from flaskauth.core import clock, crypto
from flaskauth.core.db.session import snapshot

SEAL_PAGE_SIZE = 20
EVENT_PAGE_SIZE = 1000
ERASED_EVENT = "account_erased"
MAX_SEAL_DELAY = timedelta(hours=1)  # a running server seals within minutes

T = TypeVar("T", AuditEvent, AuditSeal)


def count_seals() -> int:
    """Return the number of seals to verify."""
    with snapshot() as session:
        return session.scalar(select(func.count()).select_from(AuditSeal)) or 0


def verify(anchor: Anchor | None = None, on_progress: Callable[[int], object] = int) -> Report:
    """Verify all seals and events in one database snapshot.

    Args:
        anchor: A seal recorded outside the database, which the chain must contain unless retention has deleted it.
        on_progress: Called with the number of seals verified since the last call.
    """
    with snapshot() as session:
        verifier = _ChainVerifier(session, anchor)
        try:
            verifier.run(on_progress)
        except IntegrityFailure as failure:
            verifier.report.failure = failure
        return verifier.report


class _ChainVerifier:
    """Verifies the seals from the first to the newest, one page at a time."""

    def __init__(self, session: Session, anchor: Anchor | None) -> None:
        self.session, self.anchor, self.report = session, anchor, Report()
        self.first: AuditSeal | None = None
        self.previous: AuditSeal | None = None
        self.newest: AuditSeal | None = None
        self.first_unverified: int | None = None  # the first seal without a valid signature since the last valid one

    def run(self, on_progress: Callable[[int], object]) -> None:
        self.first, self.newest = self._edge_seal(AuditSeal.ordinal.asc()), self._edge_seal(AuditSeal.ordinal.desc())
        for seals in self._pages():
            self._check_page(seals)
            on_progress(len(seals))
        if self.first_unverified is not None:
            raise IntegrityFailure(SEAL_ALTERED, seal=self.first_unverified)
        self._check_orphaned_events()
        self._check_unsealed_events()
        if self.anchor and not self._is_past_retention(self.anchor):
            raise IntegrityFailure(TAIL_MISSING, seal=self.anchor.ordinal)

    def _is_past_retention(self, anchor: Anchor) -> bool:
        """Return True if retention has deleted the anchor's seal: even the first seal, a newer one, is past retention.

        Only the time of the seal is compared. Its events prove nothing: a recent seal can contain only old events.
        """
        if self.first is None or self.newest is None or anchor.ordinal >= self.first.ordinal:
            return False
        return self.first.sealed_at < self.newest.retained_since

    def _edge_seal(self, order: ColumnElement[int]) -> AuditSeal | None:
        return next(iter(self._read(select(AuditSeal).order_by(order).limit(1), AuditSeal.ordinal)), None)

    def _pages(self) -> Iterator[Sequence[AuditSeal]]:
        statement = select(AuditSeal).order_by(AuditSeal.ordinal).limit(SEAL_PAGE_SIZE)
        last = 0
        while seals := self._read(statement.where(AuditSeal.ordinal > last), AuditSeal.ordinal):
            last = seals[-1].ordinal
            yield seals

    def _read(self, statement: Select[T], key: InstrumentedAttribute[int]) -> Sequence[T]:
        """Return the rows. A manipulated row can be unreadable, for example if its details are not JSON."""
        try:
            return self.session.scalars(statement).all()
        except (TypeError, ValueError):
            for number in self.session.scalars(statement.with_only_columns(key)).all():
                self._check_readable(key, number)
            raise

    def _check_readable(self, key: InstrumentedAttribute[int], number: int) -> None:
        try:
            self.session.scalars(select(key.class_).where(key == number)).all()
        except (TypeError, ValueError):
            location: Any = {"seal": number} if key is AuditSeal.ordinal else {"event": number}
            raise IntegrityFailure(SEAL_ALTERED if "seal" in location else EVENT_ALTERED, **location) from None

    def _check_page(self, seals: Sequence[AuditSeal]) -> None:
        statement = select(AuditEvent).where(AuditEvent.seal.between(seals[0].ordinal, seals[-1].ordinal))
        events = self._read(statement.order_by(AuditEvent.seal, AuditEvent.id), AuditEvent.id)
        erased = self._erased_users(events)
        events_by_seal = {ordinal: list(rows) for ordinal, rows in groupby(events, key=lambda event: event.seal)}
        for seal in seals:
            try:
                self._check_seal(seal, events_by_seal.get(seal.ordinal, []), erased)
            except TypeError:  # SQLite can store text in a numeric column
                raise IntegrityFailure(SEAL_ALTERED, seal=seal.ordinal) from None
            self.previous = seal

    def _check_seal(self, seal: AuditSeal, rows: list[AuditEvent], erased: set[int | None]) -> None:
        is_beginning = self._is_beginning(seal, rows)
        self._check_link(seal, is_beginning=is_beginning)
        if not is_beginning:
            self._check_events(seal, rows, erased)
        self._check_delay(seal, min((event.at for event in rows), default=seal.last_event_at))

    def _is_beginning(self, seal: AuditSeal, rows: list[AuditEvent]) -> bool:
        """Return True if retention deleted the earlier seals and the events of this one."""
        is_expired = self.newest is not None and seal.last_event_at < self.newest.retained_since
        return self.previous is None and not rows and is_expired and not seal.unsigned_count

    def _check_link(self, seal: AuditSeal, *, is_beginning: bool) -> None:
        """Check that the seal is linked to the previous one."""
        previous = self.previous
        if seal.ordinal != (previous.ordinal + 1 if previous else 1) and not is_beginning:
            raise IntegrityFailure(SEAL_MISSING, seal=previous.ordinal + 1 if previous else seal.ordinal - 1)
        if seal.ordinal > 1 and not seal.previous:
            raise IntegrityFailure(SEAL_UNLINKED, seal=seal.ordinal)
        if previous and not crypto.compare_digest(seal.previous, integrity.digest_seal(previous)):
            raise IntegrityFailure(
                SEAL_ALTERED, seal=seal.ordinal if self.first_unverified is None else self.first_unverified
            )
        self._record_seal(seal)

    def _record_seal(self, seal: AuditSeal) -> None:
        """Count the seal. A valid seal confirms earlier seals whose secret is no longer configured."""
        if integrity.has_valid_seal(seal):
            self.first_unverified = None
        elif self.first_unverified is None:
            self.first_unverified = seal.ordinal
        self.report.seals += 1
        self.report.newest = Anchor(seal.ordinal, integrity.digest_seal(seal).hex())
        if self.report.newest == self.anchor:
            self.anchor = None

    def _check_events(self, seal: AuditSeal, rows: list[AuditEvent], erased: set[int | None]) -> None:
        """Check that the events are those that were sealed, and that each has a valid signature."""
        if len(rows) < seal.count:
            raise IntegrityFailure(EVENT_MISSING, seal=seal.ordinal)
        if not crypto.compare_digest(integrity.digest_events(rows), seal.digest):
            code = EVENT_ALTERED if len(rows) == seal.count else EVENT_FORGED
            raise IntegrityFailure(code, seal=seal.ordinal, event=_find_suspect(rows))
        if seal.unsigned_count:
            raise IntegrityFailure(EVENT_FORGED, seal=seal.ordinal, event=_find_suspect(rows))
        for event in rows:
            self._check_event(event, erased)
        self.report.events += len(rows)
        self.report.late += seal.late_count

    def _check_delay(self, seal: AuditSeal, oldest: datetime) -> None:
        """Count a delayed seal: after an attacker deletes seals, the server seals the remaining events anew."""
        if seal.sealed_at - oldest > MAX_SEAL_DELAY:
            self.report.delayed += 1
            self.report.last_delayed = DelayedSeal(seal.ordinal, seal.sealed_at)

    def _check_event(self, event: AuditEvent, erased: set[int | None]) -> None:
        """Check that the personal fields are unchanged, or erased because the user was erased."""
        is_erased = integrity.is_erased(event) and event.user_id in erased
        if not is_erased and not integrity.matches_digest(event):
            raise IntegrityFailure(EVENT_ALTERED, seal=event.seal, event=event.id)
        self.report.erased += is_erased

    def _erased_users(self, events: Sequence[AuditEvent]) -> set[int | None]:
        """Return the users of erased events for whom the audit log contains the erasure of the account."""
        user_ids = {event.user_id for event in events if event.salt is None and event.user_id}
        erased_ids = select(AuditEvent.user_id).where(AuditEvent.user_id.in_(user_ids), AuditEvent.name == ERASED_EVENT)
        return set(self.session.scalars(erased_ids)) if user_ids else set()

    def _check_orphaned_events(self) -> None:
        """Check that the seal of every sealed event exists."""
        bounds = (self.first.ordinal, self.newest.ordinal) if self.first and self.newest else (1, 0)
        outside = select(AuditEvent).where(or_(AuditEvent.seal < bounds[0], AuditEvent.seal > bounds[1]))
        if orphan := self.session.scalar(outside.order_by(AuditEvent.seal).limit(1)):
            raise IntegrityFailure(SEAL_MISSING, seal=orphan.seal, event=orphan.id)

    def _check_unsealed_events(self) -> None:
        """Check the signatures of the events that are not sealed yet."""
        statement = select(AuditEvent).where(AuditEvent.seal.is_(None)).order_by(AuditEvent.id)
        last = 0
        overdue_before = clock.now() - MAX_SEAL_DELAY
        while rows := self._read(statement.where(AuditEvent.id > last).limit(EVENT_PAGE_SIZE), AuditEvent.id):
            last = rows[-1].id
            erased = self._erased_users(rows)
            self.report.unsealed += len(rows)
            for event in rows:
                self._check_unsealed_event(event, erased)
            self.report.overdue += sum(event.at < overdue_before for event in rows)

    def _check_unsealed_event(self, event: AuditEvent, erased: set[int | None]) -> None:
        if not integrity.has_valid_signature(event):
            raise IntegrityFailure(EVENT_ALTERED if event.signature else EVENT_FORGED, event=event.id)
        self._check_event(event, erased)


def _find_suspect(rows: list[AuditEvent]) -> int | None:
    """Return the first event without a valid signature. None if all lack one, because the secret may have changed."""
    unsigned = [event.id for event in rows if not integrity.has_valid_signature(event)]
    return unsigned[0] if unsigned and (len(unsigned) < len(rows) or len(rows) == 1) else None
