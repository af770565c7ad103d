"""The table of codes. No row holds a code: it is derived from the row's nonce and a key that is not in the database."""

from datetime import datetime

from sqlalchemy import Boolean, Index, Integer, String
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
