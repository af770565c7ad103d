"""The tables of sessions and of the devices that people signed in from."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.foundation import clock
from flaskauth.foundation.columns import Base, Bytes, Identity, Moment


def is_live(ended_at: datetime | None, idle_ends_at: datetime, ends_at: datetime) -> bool:
    """Whether a session with these times has not ended."""
    return ended_at is None and clock.now() < min(idle_ends_at, ends_at)


class Session(Base):
    """One sign-in. Its refresh tokens are derived from the nonce and counted by `generation`; none is stored."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index(None, "user_id", "ended_at", "created_at"),
        Index(None, "user_id", "network", "created_at"),
        Index(None, "ends_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"))
    device_id: Mapped[int | None] = mapped_column(BigInteger)
    nonce: Mapped[bytes] = mapped_column(Bytes(32))
    generation: Mapped[int] = mapped_column(Integer)
    traded_at: Mapped[datetime | None] = mapped_column(Moment)
    network: Mapped[str] = mapped_column(Identity(64))
    ip: Mapped[str] = mapped_column(String(45))
    device: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime] = mapped_column(Moment)
    idle_ends_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)

    @property
    def expired_at(self) -> datetime:
        """When its refresh token ends, if it is not used: the earlier of the idle and the absolute end."""
        return min(self.idle_ends_at, self.ends_at)

    @property
    def is_live(self) -> bool:
        return is_live(self.ended_at, self.idle_ends_at, self.ends_at)


class Device(Base):
    """Something that a person signed in from. It carries a token, of which a digest is kept."""

    __tablename__ = "devices"
    __table_args__ = (Index(None, "user_id", "last_used_at"), Index(None, "last_used_at"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"))
    token_digest: Mapped[bytes] = mapped_column(Bytes(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime] = mapped_column(Moment)
