"""The outbox table."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.core.db.types import Base, FixedBinary, JSONText, UTCDateTime

DEFAULT_LOCALE = "en"

QUEUED = "queued"
SENT = "sent"
DISCARDED = "discarded"  # never meant to be sent, or expired before it was sent
SUPPRESSED = "suppressed"  # the rate limit of its recipient was exceeded
FAILED = "failed"  # cannot be delivered
STATES = (QUEUED, SENT, DISCARDED, SUPPRESSED, FAILED)


class OutboxMail(Base):
    """A mail to render and send: the template's name, plain values, and the id of a code or link, never its text."""

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "state", "next_attempt_at"), Index(None, "state", "created_at"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    template: Mapped[str] = mapped_column(String(64))
    recipient: Mapped[str] = mapped_column(String(320))
    context: Mapped[dict[str, str]] = mapped_column(JSONText)
    locale: Mapped[str] = mapped_column(String(16))
    code_id: Mapped[bytes | None] = mapped_column(FixedBinary(16))
    link_id: Mapped[bytes | None] = mapped_column(FixedBinary(16))
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    next_attempt_at: Mapped[datetime] = mapped_column(UTCDateTime)
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    message_id: Mapped[str] = mapped_column(String(255))
    last_error: Mapped[str | None] = mapped_column(String(200))
