"""The tables of codes and links. No row holds a code or a token: each is derived from its row's nonce and a key that is
not in the database.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.foundation import clock
from flaskauth.foundation.columns import Base, Bytes, Identity, Moment


class OneTimeCode(Base):
    """What proves an address for one purpose. Its id is the door's: who holds it has tries of his own."""

    __tablename__ = "one_time_codes"
    __table_args__ = (
        Index(None, "purpose", "address"),
        Index(None, "lookup"),
        Index(None, "ends_at"),
    )

    id: Mapped[bytes] = mapped_column(Bytes(16), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(Identity(320))
    network: Mapped[str] = mapped_column(Identity(64))
    nonce: Mapped[bytes] = mapped_column(Bytes(32))
    lookup: Mapped[bytes] = mapped_column(Bytes(32))
    expires_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    is_decoy: Mapped[bool] = mapped_column(Boolean(create_constraint=False), default=False)
    is_withheld: Mapped[bool] = mapped_column(Boolean(create_constraint=False), default=False)
    mails: Mapped[int] = mapped_column(Integer, default=1)
    next_mail_at: Mapped[datetime] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime | None] = mapped_column(Moment)

    @property
    def is_live(self) -> bool:
        """Whether its code was mailed and is good now."""
        return self.used_at is None and not self.is_decoy and not self.is_withheld and clock.now() < self.expires_at

    @property
    def is_over(self) -> bool:
        """Whether no mail of it may follow."""
        return self.used_at is not None or self.ends_at <= clock.now()


class Link(Base):
    """What its reader may take back by a link in a mail, once; `session_id`, `email`, `address` say what."""

    __tablename__ = "links"
    __table_args__ = (Index(None, "user_id", "purpose"), Index(None, "address"), Index(None, "expires_at"))

    id: Mapped[bytes] = mapped_column(Bytes(16), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int] = mapped_column(BigInteger)
    session_id: Mapped[int | None] = mapped_column(BigInteger)
    email: Mapped[str | None] = mapped_column(String(254))
    address: Mapped[str | None] = mapped_column(Identity(320))
    nonce: Mapped[bytes] = mapped_column(Bytes(32))
    digest: Mapped[bytes] = mapped_column(Bytes(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime | None] = mapped_column(Moment)

    @property
    def is_live(self) -> bool:
        return self.used_at is None and clock.now() < self.expires_at
