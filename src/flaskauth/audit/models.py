"""The tables of audit events and of the seals that chain them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.core.db.types import Base, FixedBinary, JSONText, UTCDateTime


class AuditEvent(Base):
    """An event. `personal_digest` covers ip, device, request_id and details; they are erased together with the salt."""

    __tablename__ = "audit_events"
    __table_args__ = (Index(None, "user_id", "id"), Index(None, "at"), Index(None, "seal", "id"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    name: Mapped[str] = mapped_column(String(40))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    session_id: Mapped[int | None] = mapped_column(BigInteger)
    ip: Mapped[str | None] = mapped_column(String(45))
    device: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))
    details: Mapped[dict[str, Any]] = mapped_column(JSONText)
    salt: Mapped[bytes | None] = mapped_column(FixedBinary(16))
    personal_digest: Mapped[bytes | None] = mapped_column(FixedBinary(32))
    signature: Mapped[bytes | None] = mapped_column(FixedBinary(32))  # made with a key from SECRET_KEY
    seal: Mapped[int | None] = mapped_column(Integer)  # ordinal of the seal that covers the event


class AuditSeal(Base):
    """A link of the hash chain, over some events. The primary key lets one process add the next; seals never change."""

    __tablename__ = "audit_seals"

    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    first_id: Mapped[int | None] = mapped_column(BigInteger)
    last_id: Mapped[int] = mapped_column(BigInteger)  # highest event id that this or an earlier seal covers
    count: Mapped[int] = mapped_column(Integer)
    # Events below the previous seal's last_id: they were committed after it.
    late_count: Mapped[int] = mapped_column(Integer)
    unsigned_count: Mapped[int] = mapped_column(Integer)  # events without a valid signature
    digest: Mapped[bytes] = mapped_column(FixedBinary(32))
    # Empty in the first seal, and if no configured secret signed the previous one.
    previous: Mapped[bytes] = mapped_column(FixedBinary(32))
    last_event_at: Mapped[datetime] = mapped_column(UTCDateTime)  # time of the newest event
    retained_since: Mapped[datetime] = mapped_column(UTCDateTime)  # older events may have been deleted
    sealed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    mac: Mapped[bytes] = mapped_column(FixedBinary(32))

    def signed_fields(self) -> tuple[bytes | str | int, ...]:
        """Return the fields that the MAC covers, in a fixed order."""
        timestamps = (timestamp.isoformat() for timestamp in (self.last_event_at, self.retained_since, self.sealed_at))
        first = "" if self.first_id is None else self.first_id
        numbers = (self.ordinal, first, self.last_id, self.count, self.late_count, self.unsigned_count)
        return (*numbers, self.digest, self.previous, *timestamps)
