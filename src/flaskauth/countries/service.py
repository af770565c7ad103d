"""Query countries and regions."""

import json
from collections.abc import Sequence
from importlib.resources import files
from unicodedata import combining, normalize

from sqlalchemy import select

from flaskauth.core.db.session import db
from flaskauth.countries.models import Country, Region

MAX_COUNTRY_ID = 999

SeedRow = dict[str, int | str | None]


def list_countries() -> Sequence[Country]:
    """Return all countries in English alphabetical order, ignoring accents."""
    return sorted(db.session.scalars(select(Country)), key=lambda country: _strip_accents(country.name))


def list_regions() -> Sequence[Region]:
    """Return all regions by number; the world is first."""
    return db.session.scalars(select(Region).order_by(Region.id)).all()


def get_country_by_code(code: str) -> Country | None:
    """Return the country of an alpha-2 code in any case, or None."""
    # MySQL's collations also match "ÑG" or "NG " with "NG"; SQLite does not.
    if not (code.isascii() and code.isalpha()):
        return None
    return db.session.scalar(select(Country).where(Country.code == code.upper()))


def has_country(country_id: int) -> bool:
    """Return True if a country has this ISO 3166-1 number."""
    # SQLite's driver raises for integers over 64 bits, so the range is checked first.
    return 0 < country_id <= MAX_COUNTRY_ID and db.session.get(Country, country_id) is not None


def load_seed_rows() -> tuple[list[SeedRow], list[SeedRow]]:
    """Return the rows of the regions and of the countries. A parent region precedes its children."""
    return _load_rows("regions"), _load_rows("countries")


def _load_rows(name: str) -> list[SeedRow]:
    text = files("flaskauth.countries").joinpath("data", f"{name}.json").read_text(encoding="utf-8")
    rows: list[SeedRow] = json.loads(text)
    return rows


def _strip_accents(name: str) -> str:
    return "".join(char for char in normalize("NFKD", name) if not combining(char)).casefold()
