"""The table of mails to send."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.foundation.columns import Base, Bytes, Json, Moment

QUEUED = "queued"
SENT = "sent"
DROPPED = "dropped"  # nobody is to get it, or its code had ended before it could be sent
WITHHELD = "withheld"  # its address has got enough mail
DEAD = "dead"  # cannot be delivered
STATES = (QUEUED, SENT, DROPPED, WITHHELD, DEAD)


class OutboxMail(Base):
    """A mail as it was asked for: a template's name, plain values, the id of a code or link, never itself."""

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "state", "next_try_at"), Index(None, "state", "created_at"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    template: Mapped[str] = mapped_column(String(64))
    recipient: Mapped[str] = mapped_column(String(320))
    context: Mapped[dict[str, str]] = mapped_column(Json)
    locale: Mapped[str] = mapped_column(String(16))
    code_id: Mapped[bytes | None] = mapped_column(Bytes(16))
    link_id: Mapped[bytes | None] = mapped_column(Bytes(16))
    state: Mapped[str] = mapped_column(String(10))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(Moment)
    next_try_at: Mapped[datetime] = mapped_column(Moment)
    leased_until: Mapped[datetime | None] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    sent_at: Mapped[datetime | None] = mapped_column(Moment)
    message_id: Mapped[str] = mapped_column(String(255))
    last_error: Mapped[str | None] = mapped_column(String(200))
