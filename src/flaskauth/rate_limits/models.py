"""The table of rate-limit counters."""

from datetime import datetime

from sqlalchemy import Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.core.db.types import Base, FixedBinary, UTCDateTime


class RateLimitCounter(Base):
    """A counter in a fixed window. Its key is a digest of the limit's name and subject, so all keys have one size."""

    __tablename__ = "rate_limit_counters"
    __table_args__ = (Index(None, "resets_at"),)

    key: Mapped[bytes] = mapped_column(FixedBinary(32), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    resets_at: Mapped[datetime] = mapped_column(UTCDateTime)
    locked_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
