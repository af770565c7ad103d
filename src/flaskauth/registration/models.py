"""The table of pending registrations."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.core.db.types import Base, ExactString, FixedBinary, UTCDateTime


class Registration(Base):
    """A pending registration with its own password and names. Its id is the id of its one-time code.

    `is_open` is 1, or NULL once the registration is completed, expired or out of attempts. NULLs are never equal in a
    unique constraint, so only an open registration prevents a second one with the same password.
    """

    __tablename__ = "registrations"
    __table_args__ = (UniqueConstraint("normalized_email", "password_hash", "is_open"), Index(None, "expires_at"))

    id: Mapped[bytes] = mapped_column(FixedBinary(16), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    normalized_email: Mapped[str] = mapped_column(ExactString(320))
    password_hash: Mapped[str] = mapped_column(ExactString(255))
    first_name: Mapped[str] = mapped_column(String(100))
    last_name: Mapped[str] = mapped_column(String(100))
    country_id: Mapped[int | None] = mapped_column(ForeignKey("countries.id", onupdate="CASCADE", ondelete="SET NULL"))
    locale: Mapped[str] = mapped_column(String(16))
    network: Mapped[str] = mapped_column(ExactString(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    is_open: Mapped[int | None] = mapped_column(Integer)
