"""What a row says of a person, judged by the rules that hold for everybody who joins."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flaskauth.accounts import addresses
from flaskauth.accounts.addresses import NotAnAddress
from flaskauth.accounts.schemas import is_language_tag, is_name
from flaskauth.foundation import foreign_hashes
from flaskauth.foundation.ids import LARGEST
from flaskauth.users.reading import Row

FIELDS = {
    *("id", "email", "first_name", "last_name", "verified", "is_verified", "password", "country", "locale"),
    *("created_at", "disabled_at", "closes_at"),
}
NOTES = {"refused_line", "refused_reason"}  # what an earlier import wrote beside a row
FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False, "": False}
LONGEST_EMAIL = 254
LONGEST_NAME = 100
YEARS = range(1970, 9999)  # what every database keeps, in any zone


class Refused(ValueError):
    """Why a row is not taken in; it never quotes what stands there."""


@dataclass(frozen=True)
class Newcomer:
    """Somebody to be brought along: the id, if the row has one, the other columns, and the kind of the hash."""

    id: int | None
    columns: Mapping[str, Any]
    kind: str | None

    @property
    def address(self) -> str:
        return str(self.columns["address"])


def read(row: Row, countries: Mapping[str, int], now: datetime) -> Newcomer:
    """The person of a row.

    Raises:
        Refused
    """
    if row.fault:
        raise Refused(row.fault)
    told = row.fields
    password = _password(told)
    columns = {
        **_address(told),
        "password": password,
        "first_name": _name(told, "first_name"),
        "last_name": _name(told, "last_name"),
        "country_id": _country(told, countries),
        "locale": _locale(told),
        "is_verified": _flag(told, "verified" if "verified" in told else "is_verified"),
        "created_at": _moment(told, "created_at") or now,
        "disabled_at": _moment(told, "disabled_at"),
        "closes_at": _moment(told, "closes_at"),
    }
    return Newcomer(_id(told), columns, foreign_hashes.name(password or ""))


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value).lower()
    raise Refused(f"{name}: neither text nor a number")


def _id(told: Mapping[str, Any]) -> int | None:
    text = _text(told, "id")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 17 and 0 < int(text) <= LARGEST):
        raise Refused("id: not a whole number from 1 to 2^53 - 1")
    return int(text)


def _address(told: Mapping[str, Any]) -> dict[str, str]:
    text = _text(told, "email").strip()
    if not text:
        raise Refused("email: missing")
    try:
        found = addresses.parse(text)
    except NotAnAddress:
        raise Refused("email: not an address") from None
    if len(found.typed) > LONGEST_EMAIL:
        raise Refused("email: too long")
    return {"email": found.typed, "address": found.key}


def _password(told: Mapping[str, Any]) -> str | None:
    """The hash as it stands; none where there is none, or where `!` says that none opens the account, as in Django."""
    text = _text(told, "password")
    if not text or text.startswith("!"):
        return None
    if complaint := foreign_hashes.complaint(text):
        raise Refused(f"password: {complaint}")
    return text


def _name(told: Mapping[str, Any], name: str) -> str:
    text = _text(told, name).strip()
    if len(text) > LONGEST_NAME:
        raise Refused(f"{name}: longer than {LONGEST_NAME} characters")
    if text and not is_name(text):
        raise Refused(f"{name}: has characters that names do not have")
    return text


def _country(told: Mapping[str, Any], countries: Mapping[str, int]) -> int | None:
    code = _text(told, "country").strip().upper()
    if code and code not in countries:
        raise Refused("country: not a code of ISO 3166-1 with two letters")
    return countries.get(code)


def _locale(told: Mapping[str, Any]) -> str:
    tag = _text(told, "locale").strip().replace("_", "-") or "en"
    if not is_language_tag(tag):
        raise Refused("locale: not a language tag")
    return tag


def _flag(told: Mapping[str, Any], name: str) -> bool:
    found = FLAGS.get(_text(told, name).strip().lower())
    if found is None:
        raise Refused(f"{name}: neither true nor false")
    return found


def _moment(told: Mapping[str, Any], name: str) -> datetime | None:
    """A time of RFC 3339; one that does not say where is in UTC, as databases keep them."""
    text = _text(told, name).strip()
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.year not in YEARS:
        raise Refused(f"{name}: not a time such as 2026-01-10T16:43:48Z")
    return found if found.tzinfo else found.replace(tzinfo=UTC)
