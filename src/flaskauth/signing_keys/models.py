"""The table of signing keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import Integer
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.core.db.types import Base, ExactString, FixedBinary, JSONText, UTCDateTime


class SigningKey(Base):
    """A key pair. Of concurrent processes that insert the next ordinal one succeeds; the others read its row."""

    __tablename__ = "signing_keys"

    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kid: Mapped[str] = mapped_column(ExactString(43), unique=True)
    public_jwk: Mapped[dict[str, Any]] = mapped_column(JSONText)
    encrypted_private_key: Mapped[bytes] = mapped_column(FixedBinary(512))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    active_from: Mapped[datetime] = mapped_column(UTCDateTime)
