"""The tables of users and pending email changes."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from flaskauth.core.db.types import Base, ExactString, FixedBinary, UTCDateTime
from flaskauth.countries.models import Country


def _flag() -> Mapped[bool]:
    return mapped_column(Boolean(create_constraint=False), default=False, server_default=text("0"))


class User(Base):
    """A user with a verified email address. `email` is the verified spelling, `normalized_email` is for comparison.

    A user with `disabled_at` cannot sign in, nor before a password reset if `reset_required`. A user is erased after
    `deletion_due_at`. `credential_version` increases with every change of password, email address or factors, and when
    the user is disabled: a sign-in that began before is then rejected (ADR 28).
    """

    __tablename__ = "users"
    __table_args__ = (
        Index(None, "deletion_due_at"),
        Index(None, "avatar"),
        Index(None, "webauthn_user_handle", unique=True),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    email: Mapped[str] = mapped_column(String(254))
    normalized_email: Mapped[str] = mapped_column(ExactString(320), unique=True)
    password_hash: Mapped[str | None] = mapped_column("password", ExactString(255))
    first_name: Mapped[str] = mapped_column(String(200))
    last_name: Mapped[str] = mapped_column(String(200))
    avatar: Mapped[str | None] = mapped_column(String(250))
    country_id: Mapped[int | None] = mapped_column(ForeignKey("countries.id", onupdate="CASCADE", ondelete="SET NULL"))
    locale: Mapped[str] = mapped_column(String(16))
    is_verified: Mapped[bool] = mapped_column(Boolean(create_constraint=False))
    last_login_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    deletion_due_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    mfa_enabled: Mapped[bool] = _flag()
    mfa_required: Mapped[bool] = _flag()
    webauthn_user_handle: Mapped[bytes | None] = mapped_column(FixedBinary(32))
    credential_version: Mapped[int] = mapped_column(Integer, default=0, server_default=text("0"))
    reset_required: Mapped[bool] = _flag()

    country: Mapped[Country | None] = relationship(lazy="select")


class EmailChange(Base):
    """A new email address that is not verified yet. Its id is the id of its code; `link_id` reverts the change."""

    __tablename__ = "email_changes"
    __table_args__ = (Index(None, "user_id", "created_at"), Index(None, "created_at"))

    id: Mapped[bytes] = mapped_column(FixedBinary(16), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"))
    email: Mapped[str] = mapped_column(String(254))
    normalized_email: Mapped[str] = mapped_column(ExactString(320))
    link_id: Mapped[bytes] = mapped_column(FixedBinary(16))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
