"""The table of budgets."""

from datetime import datetime

from sqlalchemy import Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.foundation.columns import Base, Bytes, Moment


class Budget(Base):
    """What was spent under one key: a digest of what it is for and of whom, so every key has one size."""

    __tablename__ = "budgets"
    __table_args__ = (Index(None, "resets_at"),)

    key: Mapped[bytes] = mapped_column(Bytes(32), primary_key=True)
    spent: Mapped[int] = mapped_column(Integer)
    resets_at: Mapped[datetime] = mapped_column(Moment)
    waits_until: Mapped[datetime | None] = mapped_column(Moment)
