"""The tables of codes and links.

No row contains a code or a token. Each is derived from the row's nonce and a key outside the database.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.core import clock
from flaskauth.core.db.types import Base, ExactString, FixedBinary, UTCDateTime


class OneTimeCode(Base):
    """A code that verifies an email address for one purpose. Verification by its id has its own attempt limit."""

    __tablename__ = "one_time_codes"
    __table_args__ = (
        Index(None, "purpose", "normalized_email"),
        Index(None, "lookup"),
        Index(None, "request_expires_at"),
    )

    id: Mapped[bytes] = mapped_column(FixedBinary(16), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    normalized_email: Mapped[str] = mapped_column(ExactString(320))
    network: Mapped[str] = mapped_column(ExactString(64))
    nonce: Mapped[bytes] = mapped_column(FixedBinary(32))
    lookup: Mapped[bytes] = mapped_column(FixedBinary(32))
    code_expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    request_expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    is_decoy: Mapped[bool] = mapped_column(Boolean(create_constraint=False), default=False)
    is_suppressed: Mapped[bool] = mapped_column(Boolean(create_constraint=False), default=False)
    mails_sent: Mapped[int] = mapped_column(Integer, default=1)
    resend_at: Mapped[datetime] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    @property
    def is_usable(self) -> bool:
        """Return True if the code was mailed and is neither used, revoked nor expired."""
        return (
            self.used_at is None and not self.is_decoy and not self.is_suppressed and clock.now() < self.code_expires_at
        )

    @property
    def is_closed(self) -> bool:
        """Return True if the code is used or its request has expired. It is not mailed again."""
        return self.used_at is not None or self.request_expires_at <= clock.now()


class EmailLink(Base):
    """A mailed single-use link. It restores `email`, to which it is mailed. `session_id` caused it."""

    __tablename__ = "email_links"
    __table_args__ = (Index(None, "user_id", "purpose"), Index(None, "normalized_email"), Index(None, "expires_at"))

    id: Mapped[bytes] = mapped_column(FixedBinary(16), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int] = mapped_column(BigInteger)
    session_id: Mapped[int | None] = mapped_column(BigInteger)
    email: Mapped[str | None] = mapped_column(String(254))
    normalized_email: Mapped[str | None] = mapped_column(ExactString(320))
    nonce: Mapped[bytes] = mapped_column(FixedBinary(32))
    digest: Mapped[bytes] = mapped_column(FixedBinary(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    @property
    def is_usable(self) -> bool:
        return self.used_at is None and clock.now() < self.expires_at
