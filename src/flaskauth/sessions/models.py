"""The tables of sessions and devices."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.core import clock
from flaskauth.core.db.types import Base, ExactString, FixedBinary, UTCDateTime


def is_active(revoked_at: datetime | None, idle_expires_at: datetime, expires_at: datetime) -> bool:
    """Return True if a session with these times is neither revoked nor expired."""
    return revoked_at is None and clock.now() < min(idle_expires_at, expires_at)


class Session(Base):
    """A session. Its refresh tokens are derived from `nonce` and `generation`; none is stored.

    `amr` are the authentication methods of the sign-in, or of the last reauthentication (RFC 8176).
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index(None, "user_id", "revoked_at", "created_at"),
        Index(None, "user_id", "network", "created_at"),
        Index(None, "expires_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"))
    device_id: Mapped[int | None] = mapped_column(BigInteger)
    nonce: Mapped[bytes] = mapped_column(FixedBinary(32))
    generation: Mapped[int] = mapped_column(Integer)
    rotated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    network: Mapped[str] = mapped_column(ExactString(64))
    ip: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UTCDateTime)
    idle_expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    amr: Mapped[str] = mapped_column(String(64), server_default="pwd")

    @property
    def expired_at(self) -> datetime:
        """Return when the refresh token expires unless it is used: the earlier of idle and absolute expiry."""
        return min(self.idle_expires_at, self.expires_at)

    @property
    def is_active(self) -> bool:
        return is_active(self.revoked_at, self.idle_expires_at, self.expires_at)


class Device(Base):
    """A device that a user signed in from. It holds a token, of which only the digest is stored.

    Until `remembered_until`, a sign-in from it with a password requires no second factor.
    """

    __tablename__ = "devices"
    __table_args__ = (Index(None, "user_id", "last_used_at"), Index(None, "last_used_at"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"))
    token_digest: Mapped[bytes] = mapped_column(FixedBinary(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UTCDateTime)
    remembered_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
