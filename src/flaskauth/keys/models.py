"""The table of signing keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import Integer
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.foundation.columns import Base, Bytes, Identity, Json, Moment


class SigningKey(Base):
    """One key pair. The ordinal is its place in line: who inserts the next one decides, the others read it."""

    __tablename__ = "signing_keys"

    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kid: Mapped[str] = mapped_column(Identity(43), unique=True)
    public_jwk: Mapped[dict[str, Any]] = mapped_column(Json)
    sealed: Mapped[bytes] = mapped_column(Bytes(512))
    created_at: Mapped[datetime] = mapped_column(Moment)
    signs_from: Mapped[datetime] = mapped_column(Moment)
