"""The tables of people, and of the addresses that they are about to change to."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from flaskauth.foundation.columns import Base, Bytes, Identity, Moment
from flaskauth.places.models import Country


class User(Base):
    """Somebody who has proven an address. `email` is the form that was proven, `address` what is compared.

    While `disabled_at` stands nobody signs in; once `closes_at` is over the person is erased. Without a password only a
    reset opens the account.
    """

    __tablename__ = "users"
    __table_args__ = (Index(None, "closes_at"), Index(None, "avatar"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    email: Mapped[str] = mapped_column(String(254))
    address: Mapped[str] = mapped_column(Identity(320), unique=True)
    password: Mapped[str | None] = mapped_column(Identity(255))
    first_name: Mapped[str] = mapped_column(String(200))
    last_name: Mapped[str] = mapped_column(String(200))
    avatar: Mapped[str | None] = mapped_column(String(250))
    country_id: Mapped[int | None] = mapped_column(ForeignKey("countries.id", onupdate="CASCADE", ondelete="SET NULL"))
    locale: Mapped[str] = mapped_column(String(16))
    is_verified: Mapped[bool] = mapped_column(Boolean(create_constraint=False))
    signed_in_at: Mapped[datetime | None] = mapped_column(Moment)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)
    closes_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)

    country: Mapped[Country | None] = relationship(lazy="select")


class AddressChange(Base):
    """A new address that somebody has yet to prove. Its id is its code's; `link_id` takes the change back."""

    __tablename__ = "address_changes"
    __table_args__ = (Index(None, "user_id", "created_at"), Index(None, "created_at"))

    id: Mapped[bytes] = mapped_column(Bytes(16), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"))
    email: Mapped[str] = mapped_column(String(254))
    address: Mapped[str] = mapped_column(Identity(320))
    link_id: Mapped[bytes] = mapped_column(Bytes(16))
    created_at: Mapped[datetime] = mapped_column(Moment)
