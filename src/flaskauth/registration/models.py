"""The table of attempts to join."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.foundation.columns import Base, Bytes, Identity, Moment


class Registration(Base):
    """One attempt, with the password and names of whoever made it. Its id is its code's.

    `is_open` is 1, or NULL once the attempt ended, expired or ran out of tries: NULLs are never equal, so only an open
    attempt stands in the way of another with the same password.
    """

    __tablename__ = "registrations"
    __table_args__ = (UniqueConstraint("address", "password", "is_open"), Index(None, "ends_at"))

    id: Mapped[bytes] = mapped_column(Bytes(16), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    address: Mapped[str] = mapped_column(Identity(320))
    password: Mapped[str] = mapped_column(Identity(255))
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    country_id: Mapped[int | None] = mapped_column(ForeignKey("countries.id", onupdate="CASCADE", ondelete="SET NULL"))
    locale: Mapped[str] = mapped_column(String(16))
    network: Mapped[str] = mapped_column(Identity(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment)
    is_open: Mapped[int | None] = mapped_column(Integer)
