"""The table of people."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from flaskauth.foundation.columns import Base, Identity, Moment
from flaskauth.places.models import Country


class User(Base):
    """Somebody who has proven an address. `email` is the form that was proven, `address` what is compared."""

    __tablename__ = "users"

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
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)

    country: Mapped[Country | None] = relationship(lazy="select")
