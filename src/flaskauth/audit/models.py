"""The tables of events and of the seals over them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.foundation.columns import Base, Bytes, Json, Moment


class AuditEvent(Base):
    """One event. `personal` binds ip, device, request and details and outlives them; the salt goes with them."""

    __tablename__ = "audit_events"
    __table_args__ = (Index(None, "user_id", "id"), Index(None, "at"), Index(None, "seal", "id"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Moment)
    name: Mapped[str] = mapped_column(String(40))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    session_id: Mapped[int | None] = mapped_column(BigInteger)
    ip: Mapped[str | None] = mapped_column(String(45))
    device: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, Any]] = mapped_column(Json)
    salt: Mapped[bytes | None] = mapped_column(Bytes(16))
    personal: Mapped[bytes | None] = mapped_column(Bytes(32))
    mark: Mapped[bytes | None] = mapped_column(Bytes(32))  # that this server wrote it
    seal: Mapped[int | None] = mapped_column(Integer)  # the ordinal of the seal that took it in


class AuditSeal(Base):
    """One link of the chain, over some events. Who inserts the next ordinal decides; a seal is never changed."""

    __tablename__ = "audit_seals"

    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    first_id: Mapped[int | None] = mapped_column(BigInteger)
    last_id: Mapped[int] = mapped_column(BigInteger)  # the highest that this or an earlier seal took in
    count: Mapped[int] = mapped_column(Integer)
    late: Mapped[int] = mapped_column(Integer)  # of them: below what was sealed before, for they were committed later
    unproven: Mapped[int] = mapped_column(Integer)  # of them: without this server's mark
    digest: Mapped[bytes] = mapped_column(Bytes(32))
    previous: Mapped[bytes] = mapped_column(Bytes(32))  # empty: the first, or what is before cannot be vouched for
    ends_at: Mapped[datetime] = mapped_column(Moment)  # when the newest of its events happened
    kept_since: Mapped[datetime] = mapped_column(Moment)  # older events may have been deleted by now
    sealed_at: Mapped[datetime] = mapped_column(Moment)
    mac: Mapped[bytes] = mapped_column(Bytes(32))

    def said(self) -> tuple[bytes | str | int, ...]:
        """All that the seal says, in an order."""
        moments = (moment.isoformat() for moment in (self.ends_at, self.kept_since, self.sealed_at))
        first = "" if self.first_id is None else self.first_id
        numbers = (self.ordinal, first, self.last_id, self.count, self.late, self.unproven)
        return (*numbers, self.digest, self.previous, *moments)
