"""The tables of regions and countries. Their ids are the published numeric codes, not generated."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.core.db.types import Base


class Region(Base):
    """A UN M49 region and its parent. Only the world has no parent."""

    __tablename__ = "regions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(String(3), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"))


class Country(Base):
    """An ISO 3166-1 country or territory, and the innermost region that contains it."""

    __tablename__ = "countries"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(String(2), unique=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    region_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"))
