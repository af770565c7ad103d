"""Walk the whole chain, and say where it first breaks."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from flaskauth.audit import proofs
from flaskauth.audit.findings import (
    ALTERED,
    FOREIGN,
    MISSING,
    SEAL_ALONE,
    SEAL_ALTERED,
    SEAL_MISSING,
    TAIL_MISSING,
    Anchor,
    Broken,
    Delay,
    Report,
)
from flaskauth.audit.models import AuditEvent, AuditSeal
from flaskauth.foundation import clock, crypto
from flaskauth.foundation.db import snapshot

SEALS_AT_A_TIME = 20
EVENTS_AT_A_TIME = 1000
ERASED = "account_erased"
IN_TIME = timedelta(hours=1)  # a server that runs seals within minutes

T = TypeVar("T", AuditEvent, AuditSeal)


def length() -> int:
    """How many seals there are to walk."""
    with snapshot() as session:
        return session.scalar(select(func.count()).select_from(AuditSeal)) or 0


def verify(anchor: Anchor | None = None, seen: Callable[[int], object] = int) -> Report:
    """Walk all seals and events as they stand at one moment."""
    with snapshot() as session:
        walk = _Walk(session, anchor)
        try:
            walk.go(seen)
        except Broken as broken:
            walk.report.broken = broken
        return walk.report


class _Walk:
    """From the first seal to the newest, a few at a time."""

    def __init__(self, session: Session, anchor: Anchor | None) -> None:
        self.session, self.anchor, self.report = session, anchor, Report()
        self.first: AuditSeal | None = None
        self.before: AuditSeal | None = None
        self.newest: AuditSeal | None = None
        self.doubtful: int | None = None  # the first seal, since a good one, that no configured secret closed

    def go(self, seen: Callable[[int], object]) -> None:
        self.first, self.newest = self._end(AuditSeal.ordinal.asc()), self._end(AuditSeal.ordinal.desc())
        for seals in self._pages():
            self._look_at(seals)
            seen(len(seals))
        if self.doubtful is not None:
            raise Broken(SEAL_ALTERED, seal=self.doubtful)
        self._look_for_strays()
        self._look_at_waiting()
        if self.anchor and not self._is_over(self.anchor):
            raise Broken(TAIL_MISSING, seal=self.anchor.ordinal)

    def _is_over(self, anchor: Anchor) -> bool:
        """Whether retention deleted it. A beginning made since then may be over old events alone, and says nothing."""
        if self.first is None or self.newest is None or anchor.ordinal >= self.first.ordinal:
            return False
        return self.first.sealed_at < self.newest.kept_since

    def _end(self, order: ColumnElement[int]) -> AuditSeal | None:
        return next(iter(self._read(select(AuditSeal).order_by(order).limit(1), AuditSeal.ordinal)), None)

    def _pages(self) -> Iterator[Sequence[AuditSeal]]:
        line, last = select(AuditSeal).order_by(AuditSeal.ordinal).limit(SEALS_AT_A_TIME), 0
        while seals := self._read(line.where(AuditSeal.ordinal > last), AuditSeal.ordinal):
            last = seals[-1].ordinal
            yield seals

    def _read(self, statement: Select[T], key: InstrumentedAttribute[int]) -> Sequence[T]:
        """The rows; one that holds what no server writes, such as details that are no JSON, cannot even be read."""
        try:
            return self.session.scalars(statement).all()
        except (TypeError, ValueError):
            for number in self.session.scalars(statement.with_only_columns(key)).all():
                self._try(key, number)
            raise

    def _try(self, key: InstrumentedAttribute[int], number: int) -> None:
        try:
            self.session.scalars(select(key.class_).where(key == number)).all()
        except (TypeError, ValueError):
            told: Any = {"seal": number} if key is AuditSeal.ordinal else {"event": number}
            raise Broken(SEAL_ALTERED if "seal" in told else ALTERED, **told) from None

    def _look_at(self, seals: Sequence[AuditSeal]) -> None:
        mine = select(AuditEvent).where(AuditEvent.seal.between(seals[0].ordinal, seals[-1].ordinal))
        events = self._read(mine.order_by(AuditEvent.seal, AuditEvent.id), AuditEvent.id)
        erased = self._erased(events)
        taken = {ordinal: list(rows) for ordinal, rows in groupby(events, key=lambda event: event.seal)}
        for seal in seals:
            try:
                self._check(seal, taken.get(seal.ordinal, []), erased)
            except TypeError:  # a text where SQLite was to keep a number
                raise Broken(SEAL_ALTERED, seal=seal.ordinal) from None
            self.before = seal

    def _check(self, seal: AuditSeal, rows: list[AuditEvent], erased: set[int | None]) -> None:
        is_beginning = self._is_beginning(seal, rows)
        self._follows(seal, is_beginning=is_beginning)
        if not is_beginning:
            self._holds(seal, rows, erased)
        self._is_in_time(seal, min((event.at for event in rows), default=seal.ends_at))

    def _is_beginning(self, seal: AuditSeal, rows: list[AuditEvent]) -> bool:
        """Whether retention deleted what is before this seal, and its events: they ended before a later seal's edge."""
        is_over = self.newest is not None and seal.ends_at < self.newest.kept_since
        return self.before is None and not rows and is_over and not seal.unproven

    def _follows(self, seal: AuditSeal, *, is_beginning: bool) -> None:
        """The seal follows the one before it."""
        before = self.before
        if seal.ordinal != (before.ordinal + 1 if before else 1) and not is_beginning:
            raise Broken(SEAL_MISSING, seal=before.ordinal + 1 if before else seal.ordinal - 1)
        if seal.ordinal > 1 and not seal.previous:
            raise Broken(SEAL_ALONE, seal=seal.ordinal)
        if before and not crypto.same(seal.previous, proofs.link(before)):
            raise Broken(SEAL_ALTERED, seal=seal.ordinal if self.doubtful is None else self.doubtful)
        self._note(seal)

    def _note(self, seal: AuditSeal) -> None:
        """A good seal vouches for those before it, whose secret may be no more in the settings."""
        if proofs.is_ours(seal):
            self.doubtful = None
        elif self.doubtful is None:
            self.doubtful = seal.ordinal
        self.report.seals += 1
        self.report.newest = Anchor(seal.ordinal, proofs.link(seal).hex())
        if self.report.newest == self.anchor:
            self.anchor = None

    def _holds(self, seal: AuditSeal, rows: list[AuditEvent], erased: set[int | None]) -> None:
        """The events are those that were taken in, and each was written by this server."""
        if len(rows) < seal.count:
            raise Broken(MISSING, seal=seal.ordinal)
        if not crypto.same(proofs.digest(rows), seal.digest):
            what = ALTERED if len(rows) == seal.count else FOREIGN
            raise Broken(what, seal=seal.ordinal, event=_suspect(rows))
        if seal.unproven:
            raise Broken(FOREIGN, seal=seal.ordinal, event=_suspect(rows))
        for event in rows:
            self._is_whole(event, erased)
        self.report.events += len(rows)
        self.report.late += seal.late

    def _is_in_time(self, seal: AuditSeal, oldest: datetime) -> None:
        """Whoever deletes seals has the server seal what is left anew, and cannot choose when."""
        if seal.sealed_at - oldest > IN_TIME:
            self.report.delayed += 1
            self.report.last_delayed = Delay(seal.ordinal, seal.sealed_at)

    def _is_whole(self, event: AuditEvent, erased: set[int | None]) -> None:
        """The personal fields are as they were written, or were erased with their person."""
        is_erased = proofs.is_blank(event) and event.user_id in erased
        if not is_erased and not proofs.is_bound(event):
            raise Broken(ALTERED, seal=event.seal, event=event.id)
        self.report.erased += is_erased

    def _erased(self, events: Sequence[AuditEvent]) -> set[int | None]:
        """Who of those whose events are blank was erased: the trail itself says so."""
        blank = {event.user_id for event in events if event.salt is None and event.user_id}
        told = select(AuditEvent.user_id).where(AuditEvent.user_id.in_(blank), AuditEvent.name == ERASED)
        return set(self.session.scalars(told)) if blank else set()

    def _look_for_strays(self) -> None:
        """Every event that says it was taken in, was taken in by a seal that there is."""
        bounds = (self.first.ordinal, self.newest.ordinal) if self.first and self.newest else (1, 0)
        outside = select(AuditEvent).where(or_(AuditEvent.seal < bounds[0], AuditEvent.seal > bounds[1]))
        if stray := self.session.scalar(outside.order_by(AuditEvent.seal).limit(1)):
            raise Broken(SEAL_MISSING, seal=stray.seal, event=stray.id)

    def _look_at_waiting(self) -> None:
        """What is not sealed yet at least bears our mark."""
        line, last = select(AuditEvent).where(AuditEvent.seal.is_(None)).order_by(AuditEvent.id), 0
        in_time = clock.now() - IN_TIME
        while rows := self._read(line.where(AuditEvent.id > last).limit(EVENTS_AT_A_TIME), AuditEvent.id):
            last, erased = rows[-1].id, self._erased(rows)
            self.report.waiting += len(rows)
            for event in rows:
                self._is_good_so_far(event, erased)
            self.report.overdue += sum(event.at < in_time for event in rows)

    def _is_good_so_far(self, event: AuditEvent, erased: set[int | None]) -> None:
        if not proofs.is_marked(event):
            raise Broken(ALTERED if event.mark else FOREIGN, event=event.id)
        self._is_whole(event, erased)


def _suspect(rows: list[AuditEvent]) -> int | None:
    """The event that does not bear our mark. Where none does, the secret may be no more in the settings."""
    found = [event.id for event in rows if not proofs.is_marked(event)]
    return found[0] if found and (len(found) < len(rows) or len(rows) == 1) else None
