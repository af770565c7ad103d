"""Look up countries and regions."""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any
from unicodedata import combining, normalize

from sqlalchemy import select

from flaskauth.foundation.db import db
from flaskauth.places.models import Country, Region

HIGHEST_ID = 999


def countries() -> Sequence[Country]:
    """Every country, by name, as a reader of English looks for it."""
    return sorted(db.session.scalars(select(Country)), key=lambda country: _unaccented(country.name))


def regions() -> Sequence[Region]:
    """Every region, by its number; the world comes first."""
    return db.session.scalars(select(Region).order_by(Region.id)).all()


def country_by_code(code: str) -> Country | None:
    """The country of an alpha-2 code in capitals or not, or None."""
    # MySQL's collations would also find Nigeria as "ÑG" or "NG ", SQLite would not.
    if not (code.isascii() and code.isalpha()):
        return None
    return db.session.scalar(select(Country).where(Country.code == code.upper()))


def has_country(country_id: int) -> bool:
    """Whether a country has this ISO 3166-1 number."""
    # SQLite's driver raises on integers past 64 bits, so the range is looked at first.
    return 0 < country_id <= HIGHEST_ID and db.session.get(Country, country_id) is not None


def seed_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows that fill the tables, regions and then countries; a parent stands before what it holds."""
    return _rows("regions"), _rows("countries")


def _rows(name: str) -> list[dict[str, Any]]:
    text = files("flaskauth.places").joinpath("data", f"{name}.json").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def _unaccented(name: str) -> str:
    return "".join(letter for letter in normalize("NFKD", name) if not combining(letter)).casefold()
